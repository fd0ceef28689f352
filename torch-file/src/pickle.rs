//! The pickle machine, without the power to run anything.
//!
//! Values are numbered, and hold each other by number: a value that is used many times over, or holds
//! itself, is one value, and nothing here follows them.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result, bail, ensure};

use crate::dtype::Dtype;
use crate::tensor::{Storage, TensorView};

/// A checkpoint has some ten thousand values.
const MOST_VALUES: usize = 1 << 22;

/// The number of a value.
pub(crate) type Id = u32;

/// What a pickle builds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Id>),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A dictionary of any kind, in order.
    Dict(Vec<(Id, Id)>),
    /// A class or function, `module.name`.
    Global(String),
    /// An object of a class that is not known: its state, and the entries that it was given as a
    /// dictionary.
    Object {
        /// What it was built with.
        state: Option<Id>,
        /// Entries of a class that is a dictionary.
        items: Vec<(Id, Id)>,
    },
    /// A tensor.
    Tensor(TensorView),
    /// What cannot be known without running something: the result of a call, a set, a number of many
    /// digits.
    Opaque,
    /// Where the elements of tensors are.
    #[doc(hidden)]
    Storage(StorageRef),
}

/// A storage, which only tensors show.
#[derive(Debug, Clone, PartialEq)]
pub struct StorageRef(Storage);

const NONE: Id = 0;
const FALSE: Id = 1;
const TRUE: Id = 2;
const EMPTY: Id = 3;
const OPAQUE: Id = 4;

/// All values of a pickle.
#[derive(Debug)]
pub(crate) struct Graph {
    values: Vec<Value>,
    root: Id,
    passed_over: BTreeSet<String>,
}

impl Graph {
    pub fn get(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    pub fn root(&self) -> crate::Node<'_> {
        crate::Node::new(self, self.root)
    }

    pub fn passed_over(&self) -> &BTreeSet<String> {
        &self.passed_over
    }

    /// All storages that were named.
    pub fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(StorageRef(storage)) => Some(storage),
            _ => None,
        })
    }
}

/// Reads the pickle that `bytes` begin with. Returns also how many bytes it has.
///
/// # Errors
/// If it is damaged, cut short, or describes a tensor that cannot be.
pub(crate) fn read(bytes: &[u8]) -> Result<(Graph, usize)> {
    let start = [Value::None, Value::Bool(false), Value::Bool(true), Value::Tuple(vec![])];
    let mut machine = Machine {
        bytes,
        at: 0,
        values: start.into_iter().chain([Value::Opaque]).collect(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        passed_over: BTreeSet::new(),
    };
    let root = loop {
        let at = machine.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => break root,
            Err(error) => return Err(error.context(format!("its pickle, at byte {at}"))),
        }
    };
    let Machine { at, values, passed_over, .. } = machine;
    Ok((Graph { values, root, passed_over }, at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    passed_over: BTreeSet<String>,
}

impl<'a> Machine<'a> {
    /// One operation. Returns the result after the last.
    fn step(&mut self) -> Result<Option<Id>> {
        let operation = self.take(1)?[0];
        match operation {
            b'.' => return self.pop().map(Some),
            0x80 => {
                let version = self.take(1)?[0];
                ensure!(
                    version <= 5,
                    "it has protocol {version}, and 5 is the newest that is known"
                );
            }
            0x95 => drop(self.take(8)?), // how long a frame is
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                // POP takes a mark too, where that is on top.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.stack.push(NONE),
            0x88 => self.stack.push(TRUE),
            0x89 => self.stack.push(FALSE),
            b'K' => self.int(1)?,
            b'M' => self.int(2)?,
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(number.into()))?;
            }
            0x8a => {
                let length = self.natural(1)?;
                self.long(length)?;
            }
            0x8b => {
                let length = self.natural(4)?;
                self.long(length)?;
            }
            b'I' => match self.line()? {
                "00" => self.stack.push(FALSE),
                "01" => self.stack.push(TRUE),
                number => self.push(number.parse().map_or(Value::Opaque, Value::Int))?,
            },
            b'L' => {
                let number = self.line()?.trim_end_matches('L').parse();
                self.push(number.map_or(Value::Opaque, Value::Int))?;
            }
            b'F' => {
                let number = self.line()?.parse().context("it is no number")?;
                self.push(Value::Float(number))?;
            }
            b'G' => {
                let number = f64::from_be_bytes(self.array()?);
                self.push(Value::Float(number))?;
            }
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            b'B' | b'T' => self.binary(4)?,
            b'C' | b'U' => self.binary(1)?,
            0x8e | 0x96 => self.binary(8)?,
            b'S' | b'V' => {
                let text = self.line()?.to_owned();
                self.push(Value::Text(text))?;
            }
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            0x8f => self.push(Value::Opaque)?,
            b')' => self.stack.push(EMPTY),
            b't' => {
                let ids = self.pop_mark()?;
                self.push(Value::Tuple(ids))?;
            }
            0x85..=0x87 => {
                let ids = self.pops(usize::from(operation - 0x84))?;
                self.push(Value::Tuple(ids))?;
            }
            b'l' => {
                let ids = self.pop_mark()?;
                self.push(Value::List(ids))?;
            }
            b'd' => {
                let items = pairs(&self.pop_mark()?)?;
                self.push(Value::Dict(items))?;
            }
            b'a' => {
                let id = self.pop()?;
                self.append(&[id])?;
            }
            b'e' => {
                let ids = self.pop_mark()?;
                self.append(&ids)?;
            }
            b's' => {
                let item = self.pops(2)?;
                self.set(&item)?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set(&items)?;
            }
            0x90 => drop(self.pop_mark()?), // into a set
            0x91 => {
                self.pop_mark()?; // a frozen set
                self.push(Value::Opaque)?;
            }
            b'g' => {
                let key = self.line()?.parse().context("it is no number")?;
                self.get(key)?;
            }
            b'h' => {
                let key = self.natural(1)? as u32;
                self.get(key)?;
            }
            b'j' => {
                let key = self.natural(4)? as u32;
                self.get(key)?;
            }
            b'p' => {
                let key = self.line()?.parse().context("it is no number")?;
                self.put(key)?;
            }
            b'q' => {
                let key = self.natural(1)? as u32;
                self.put(key)?;
            }
            b'r' => {
                let key = self.natural(4)? as u32;
                self.put(key)?;
            }
            0x94 => {
                let key = u32::try_from(self.memo.len())?;
                self.put(key)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global(format!("{module}.{name}")))?;
            }
            0x93 => {
                let names = self.pops(2)?;
                let name = match [self.value(names[0]), self.value(names[1])] {
                    [Value::Text(module), Value::Text(name)] => format!("{module}.{name}"),
                    _ => bail!("the name of a class is no text"),
                };
                self.push(Value::Global(name))?;
            }
            b'R' => {
                let parts = self.pops(2)?;
                let value = self.reduce(parts[0], parts[1])?;
                self.stack.push(value);
            }
            0x81 => {
                let parts = self.pops(2)?;
                self.object(parts[0])?;
            }
            0x92 => {
                let parts = self.pops(3)?;
                self.object(parts[0])?;
            }
            b'o' => {
                let parts = self.pop_mark()?;
                let class = *parts.first().context("an object has no class")?;
                self.pass_over(class);
                self.push(Value::Opaque)?;
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                self.passed_over.insert(format!("{module}.{name}"));
                self.pop_mark()?;
                self.push(Value::Opaque)?;
            }
            b'b' => {
                let state = self.pop()?;
                let top = self.top()?;
                // The state of an ordered dictionary are versions of modules.
                if let Value::Object { state: own, .. } = self.value_mut(top) {
                    *own = Some(state);
                }
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(id)?;
                self.push(Value::Storage(StorageRef(storage)))?;
            }
            other => bail!("it has the operation {other:#04x}, which torch.save never uses"),
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).context("it is cut short, or says that it is longer")?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    /// A natural number of `width` bytes.
    fn natural(&mut self, width: usize) -> Result<usize> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        Ok(usize::try_from(u64::from_le_bytes(bytes))?)
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n').context("it is cut short")?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).context("it is no text")
    }

    fn value(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    fn value_mut(&mut self, id: Id) -> &mut Value {
        &mut self.values[id as usize]
    }

    fn new_value(&mut self, value: Value) -> Result<Id> {
        if value == Value::Opaque {
            return Ok(OPAQUE);
        }
        ensure!(self.values.len() < MOST_VALUES, "it has more than {MOST_VALUES} values");
        self.values.push(value);
        Ok((self.values.len() - 1) as Id)
    }

    fn push(&mut self, value: Value) -> Result<()> {
        let id = self.new_value(value)?;
        self.stack.push(id);
        Ok(())
    }

    /// Values below the last mark are out of reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id> {
        let reach = &self.stack[self.floor()..];
        reach.last().copied().context("it takes a value where there is none")
    }

    fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// The last `count` values, in order.
    fn pops(&mut self, count: usize) -> Result<Vec<Id>> {
        let reach = self.stack.len() - self.floor();
        ensure!(count <= reach, "it takes {count} values where there are {reach}");
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    /// The values since the last mark, in order.
    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().context("it goes back to a mark that there is not")?;
        Ok(self.stack.split_off(mark))
    }

    fn int(&mut self, width: usize) -> Result<()> {
        let number = self.natural(width)?;
        self.push(Value::Int(number as i64))
    }

    /// A little-endian number in two's complement.
    fn long(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
        let fill = if negative { 0xff } else { 0 };
        let (low, high) = bytes.split_at(length.min(8));
        let mut number = [fill; 8];
        number[..low.len()].copy_from_slice(low);
        let number = i64::from_le_bytes(number);
        let fits = high.iter().all(|&byte| byte == fill) && (number < 0) == negative;
        self.push(if fits { Value::Int(number) } else { Value::Opaque })
    }

    fn text(&mut self, width: usize) -> Result<()> {
        let length = self.natural(width)?;
        // Python's lone surrogates are no UTF-8; no name of ours has one.
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text))
    }

    fn binary(&mut self, width: usize) -> Result<()> {
        let length = self.natural(width)?;
        let bytes = self.take(length)?.to_vec();
        self.push(Value::Bytes(bytes))
    }

    fn get(&mut self, key: u32) -> Result<()> {
        let id = self.memo.get(&key).with_context(|| format!("it takes memo {key}, never put"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn put(&mut self, key: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn append(&mut self, ids: &[Id]) -> Result<()> {
        let top = self.top()?;
        if let Value::List(list) = self.value_mut(top) {
            list.extend_from_slice(ids);
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<()> {
        let items = pairs(items)?;
        let top = self.top()?;
        match self.value_mut(top) {
            Value::Dict(own) | Value::Object { items: own, .. } => own.extend(items),
            _ => {}
        }
        Ok(())
    }

    fn pass_over(&mut self, callee: Id) {
        let name = match self.value(callee) {
            Value::Global(name) => name.clone(),
            _ => "what another call returned".to_owned(),
        };
        self.passed_over.insert(name);
    }

    /// An object of a class, of which only the data is kept.
    fn object(&mut self, class: Id) -> Result<()> {
        match self.value(class) {
            Value::Global(_) => self.push(Value::Object { state: None, items: Vec::new() }),
            _ => {
                self.pass_over(class);
                self.push(Value::Opaque)
            }
        }
    }

    /// What a call returns, where that is plain data or a tensor.
    fn reduce(&mut self, callee: Id, arguments: Id) -> Result<Id> {
        let (Value::Global(name), Value::Tuple(arguments)) =
            (self.value(callee), self.value(arguments))
        else {
            self.pass_over(callee);
            return Ok(OPAQUE);
        };
        let (name, arguments) = (name.clone(), arguments.clone());
        match (&*name, &arguments[..]) {
            ("collections.OrderedDict", []) | ("collections.defaultdict", _) => {
                self.new_value(Value::Dict(Vec::new()))
            }
            ("collections.OrderedDict", [items]) => {
                let Value::List(items) = self.value(*items) else { return Ok(OPAQUE) };
                let pair = |id: &Id| match self.value(*id) {
                    Value::List(pair) | Value::Tuple(pair) => pair[..].try_into().ok(),
                    _ => None,
                };
                let items: Option<Vec<[Id; 2]>> = items.iter().map(pair).collect();
                let items = items.context("an ordered dictionary is made of something else")?;
                let items = items.into_iter().map(|[key, value]| (key, value)).collect();
                self.new_value(Value::Dict(items))
            }
            (
                "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor",
                [storage, offset, shape, stride, ..],
            ) => {
                let Value::Storage(StorageRef(storage)) = self.value(*storage) else {
                    bail!("a tensor has no storage")
                };
                let offset = self.integer(*offset)?;
                let (shape, stride) = (self.integers(*shape)?, self.integers(*stride)?);
                let tensor = TensorView::new(storage.clone(), offset, &shape, &stride);
                self.new_value(Value::Tensor(tensor.context("a tensor")?))
            }
            (
                "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state",
                [tensor, ..],
            ) => Ok(*tensor),
            _ => {
                self.passed_over.insert(name);
                Ok(OPAQUE)
            }
        }
    }

    fn integer(&self, id: Id) -> Result<i64> {
        match self.value(id) {
            Value::Int(number) => Ok(*number),
            _ => bail!("a number of a tensor is no integer of 64 bits"),
        }
    }

    fn integers(&self, id: Id) -> Result<Vec<i64>> {
        match self.value(id) {
            Value::Tuple(ids) | Value::List(ids) => {
                ensure!(ids.len() <= 64, "a tensor has {} dimensions", ids.len());
                ids.iter().map(|&id| self.integer(id)).collect()
            }
            _ => bail!("the shape of a tensor is no tuple"),
        }
    }

    /// `('storage', class, key, location, length)`, in the older form with `None` at its end.
    fn storage(&self, id: Id) -> Result<Storage> {
        let Value::Tuple(ids) = self.value(id) else {
            bail!("what is outside of it is no storage")
        };
        let values: Vec<&Value> = ids.iter().map(|&id| self.value(id)).collect();
        let [
            Value::Text(kind),
            Value::Global(class),
            Value::Text(key),
            Value::Text(_),
            Value::Int(len),
            view @ ..,
        ] = &values[..]
        else {
            bail!("the description of a storage has not the parts that it should have")
        };
        ensure!(kind == "storage", "what is outside of it is a {kind:?}, not a storage");
        ensure!(
            view.iter().all(|value| **value == Value::None),
            "a storage is a part of another, as before PyTorch 0.4; save it anew with a later one"
        );
        let class = class.strip_prefix("torch.").unwrap_or(class);
        let dtype = Dtype::of_storage(class)
            .with_context(|| format!("a storage is a {class}, which no checkpoint of S4 has"))?;
        let len = usize::try_from(*len).context("a storage has a negative length")?;
        Ok(Storage { key: key.clone(), dtype, len })
    }
}

/// Keys and values in turn.
fn pairs(ids: &[Id]) -> Result<Vec<(Id, Id)>> {
    ensure!(ids.len().is_multiple_of(2), "a key has no value");
    Ok(ids.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}
