//! A value and what it holds.

use serde_json::{Map, Number, Value as Json};

use crate::pickle::{Graph, Id, Value};
use crate::tensor::TensorView;

/// Configurations are no deeper than this, and have no more entries than [`MOST`].
const DEEPEST: usize = 64;
/// See [`DEEPEST`]: a graph may hold a value many times over, and itself.
const MOST: usize = 100_000;

/// A value in a file.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    graph: &'a Graph,
    id: Id,
}

impl<'a> Node<'a> {
    pub(crate) fn new(graph: &'a Graph, id: Id) -> Self {
        Self { graph, id }
    }

    /// What it is.
    pub fn value(self) -> &'a Value {
        self.graph.get(self.id)
    }

    fn at(self, id: Id) -> Self {
        Self { id, ..self }
    }

    /// The entries of a dictionary, in order; none of anything else.
    pub fn items(self) -> impl Iterator<Item = (Node<'a>, Node<'a>)> {
        let items = match self.value() {
            Value::Dict(items) | Value::Object { items, .. } => &items[..],
            _ => &[],
        };
        items.iter().map(move |&(key, value)| (self.at(key), self.at(value)))
    }

    /// The members of a list or a tuple, in order; none of anything else.
    pub fn members(self) -> impl Iterator<Item = Node<'a>> {
        let ids = match self.value() {
            Value::List(ids) | Value::Tuple(ids) => &ids[..],
            _ => &[],
        };
        ids.iter().map(move |&id| self.at(id))
    }

    /// The value of a dictionary's text key; of several equal ones the last.
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        let values = self.items().filter(|(own, _)| own.text() == Some(key));
        values.last().map(|(_, value)| value)
    }

    /// The text, if it is one.
    pub fn text(self) -> Option<&'a str> {
        match self.value() {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn int(self) -> Option<i64> {
        match self.value() {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The tensor, if it is one.
    pub fn tensor(self) -> Option<&'a TensorView> {
        match self.value() {
            Value::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// Whether it is a dictionary, or an object that is used as one.
    pub fn is_dict(self) -> bool {
        match self.value() {
            Value::Dict(_) => true,
            Value::Object { items, .. } => !items.is_empty(),
            _ => false,
        }
    }

    /// A configuration as JSON: plain values as they are, those of OmegaConf by their contents. What
    /// is neither is left out. `None` where it is no configuration at all, or no finite one.
    pub fn config(self) -> Option<Json> {
        let mut left = MOST;
        self.json(DEEPEST, &mut left)
    }

    fn json(self, depth: usize, left: &mut usize) -> Option<Json> {
        let depth = depth.checked_sub(1)?;
        *left = left.checked_sub(1)?;
        let list = |node: Self, left: &mut usize| {
            Json::Array(node.members().filter_map(|member| member.json(depth, left)).collect())
        };
        let dict = |node: Self, left: &mut usize| {
            let entry = |(key, value): (Self, Self)| {
                Some((key.text()?.to_owned(), value.json(depth, left)?))
            };
            Json::Object(node.items().filter_map(entry).collect::<Map<_, _>>())
        };
        Some(match self.value() {
            Value::None => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::Number((*value).into()),
            Value::Float(value) => Number::from_f64(*value)
                .map_or_else(|| Json::String(value.to_string()), Json::Number),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(_) | Value::Tuple(_) => list(self, left),
            Value::Dict(_) => dict(self, left),
            Value::Object { state, items } => {
                let part = |name| self.at((*state)?).get(name);
                match (part("_content"), part("_val")) {
                    // DictConfig and ListConfig; then AnyNode and its kin.
                    (Some(content), _) => content.json(depth, left)?,
                    (None, Some(value)) => value.json(depth, left)?,
                    (None, None) if !items.is_empty() => dict(self, left),
                    (None, None) => return None,
                }
            }
            _ => return None,
        })
    }
}
