//! A transformation of one form of content.

use anyhow::{Context, Result, bail};
use datasets::batch::Label;
use rand_chacha::ChaCha8Rng;

use crate::content::{Content, Expression, Kind, Series, Sound};
use crate::{Changed, Effect, Severity, Transformation, Unchanged};

/// A transformation of one form of content: most are one constant of this type.
pub(crate) struct Change<C: 'static> {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) effect: Effect,
    pub(crate) strength: fn(Severity) -> String,
    /// What becomes of the content. What comes out as it was is [`Unchanged`].
    pub(crate) change: fn(&C, Severity, &mut ChaCha8Rng, &[Content]) -> Result<C>,
}

impl<C: Form> Transformation for Change<C> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn kinds(&self) -> &'static [Kind] {
        C::KINDS
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn strength(&self, severity: Severity) -> String {
        (self.strength)(severity)
    }

    fn apply(
        &self,
        content: &Content,
        label: &Label,
        severity: Severity,
        random: &mut ChaCha8Rng,
        others: &[Content],
    ) -> Result<Changed> {
        let before = C::within(content).with_context(|| {
            format!("`{}` changes {}, which this is not", self.name, C::KINDS[0])
        })?;
        let after = (self.change)(before, severity, random, others)?;
        if after == *before {
            return Err(Unchanged.into());
        }
        let label = match self.effect {
            Effect::Recomputed => after.label()?,
            Effect::Invariant | Effect::Directional => label.clone(),
        };
        Ok(Changed { content: after.into(), label })
    }
}

/// A form of content.
pub(crate) trait Form: PartialEq + Into<Content> {
    /// What has it.
    const KINDS: &'static [Kind];

    /// The content, if it has this form.
    fn within(content: &Content) -> Option<&Self>;

    /// What is right of it, where that can be computed.
    fn label(&self) -> Result<Label> {
        bail!("the label of {} cannot be computed", Self::KINDS[0])
    }
}

impl Form for Sound {
    const KINDS: &'static [Kind] = &[Kind::Sound];

    fn within(content: &Content) -> Option<&Self> {
        if let Content::Sound(sound) = content { Some(sound) } else { None }
    }
}

impl Form for String {
    const KINDS: &'static [Kind] = &[Kind::Text];

    fn within(content: &Content) -> Option<&Self> {
        if let Content::Text(text) = content { Some(text) } else { None }
    }
}

impl Form for Expression {
    const KINDS: &'static [Kind] = &[Kind::Expression];

    fn within(content: &Content) -> Option<&Self> {
        if let Content::Expression(expression) = content { Some(expression) } else { None }
    }

    fn label(&self) -> Result<Label> {
        Ok(self.value()?.into())
    }
}

impl Form for Series {
    const KINDS: &'static [Kind] = &[Kind::Series];

    fn within(content: &Content) -> Option<&Self> {
        if let Content::Series(series) = content { Some(series) } else { None }
    }
}
