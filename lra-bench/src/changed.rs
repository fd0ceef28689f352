//! Training examples, changed: copies beside them (`data.augment`), or defects in their place
//! (`data.defect`).

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use datasets::batch::{Example, Label};
use datasets::section::{Augment, Defect, Trigger};
use datasets::shape::Target;
use datasets::split::{Examples, Split};
use rand::Rng;
use transformations::content::{Codec, Content, Kind};
use transformations::{Effect, Severity, Transformation, seed};

/// Other examples that a transformation may mix in.
const OTHERS: usize = 16;

/// The examples of `of` of those classes that the defect leaves.
///
/// # Errors
/// If there is no such class, or none is left.
pub(crate) fn without(of: Split, defect: &Defect, target: &Target) -> Result<Split> {
    let Some(names) = &defect.without else { return Ok(of) };
    let classes: Vec<i64> =
        names.iter().map(|name| class(name, target)).collect::<Result<_>>().context("without")?;
    let mut kept = Vec::new();
    for index in 0..of.len() {
        if !matches!(of.label(index)?, Label::Class(class) if classes.contains(&class)) {
            kept.push(index);
        }
    }
    ensure!(!kept.is_empty(), "without: no example is left to train on");
    of.subset(kept)
}

/// What is done to training examples.
#[derive(Default)]
pub(crate) struct Changes {
    /// To all of them, one after the other.
    defects: Vec<Step>,
    /// Then, to a copy of all for each.
    copies: Vec<Step>,
}

impl Changes {
    /// The changes that these settings ask for, of examples of `kind` of which `target` is asked.
    ///
    /// # Errors
    /// If there is no such transformation or class, or it is not for this data.
    pub(crate) fn new(
        defect: Option<&Defect>,
        augment: Option<&[Augment]>,
        kind: Kind,
        target: &Target,
    ) -> Result<Self> {
        let defects = defect.map(|defect| Self::defects(defect, kind, target)).transpose();
        let mut copies = Vec::new();
        for Augment { name, severities } in augment.unwrap_or_default() {
            for &severity in severities {
                copies.push(Step::new(name, severity, kind).context("data.augment")?);
            }
        }
        Ok(Self { defects: defects.context("data.defect")?.unwrap_or_default(), copies })
    }

    fn defects(defect: &Defect, kind: Kind, target: &Target) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        if let Some(change) = &defect.change {
            steps.push(Step::new(&change.name, change.severity, kind).context("change")?);
        }
        if let Some(Trigger { share, class: name, severity }) = &defect.trigger {
            ensure!(
                (0.0..=1.0).contains(share),
                "trigger: a share of {share}; it is between 0 and 1"
            );
            let class = name.as_deref().map(|name| class(name, target)).transpose();
            let label = class.context("trigger")?.map(Label::Class);
            let step = Step::new("trigger", *severity, kind).context("trigger")?;
            steps.push(Step { share: *share, label, ..step });
        }
        Ok(steps)
    }

    /// Whether nothing is done.
    pub(crate) fn is_empty(&self) -> bool {
        self.defects.is_empty() && self.copies.is_empty()
    }

    /// The examples of `of` with their defects, followed by a copy of all for each change. Each is the same in
    /// every epoch, so that a resumed run meets it again.
    ///
    /// # Errors
    /// If an example cannot be read.
    pub(crate) fn split(self, of: Split, codec: Codec, seed: u64) -> Result<Split> {
        let few = OTHERS.min(of.len());
        let others =
            (0..few).map(|index| codec.decode(&of.source(index)?)).collect::<Result<_>>()?;
        Ok(Split::new(Changed { of, codec, changes: self, others, seed }))
    }
}

fn class(name: &str, target: &Target) -> Result<i64> {
    let names = target.class_names();
    let found = names.iter().position(|it| it == name);
    let found = found
        .with_context(|| format!("there is no class `{name}`; classes: {}", names.join(", ")))?;
    Ok(found as i64)
}

/// A change of some examples.
struct Step {
    change: &'static dyn Transformation,
    severity: Severity,
    /// Share of them that are changed.
    share: f64,
    /// What is said to be right of those that are changed.
    label: Option<Label>,
}

impl Step {
    fn new(name: &str, severity: u8, kind: Kind) -> Result<Self> {
        let change = transformations::find(name)?;
        ensure!(
            change.kinds().contains(&kind),
            "the transformation `{name}` is not for {kind}; `robustness list` shows what is"
        );
        ensure!(
            !change.mixes_noise(),
            "`{name}` needs recordings of noise, of which training has none: take white-noise, \
             pink-noise or babble"
        );
        Ok(Self { change, severity: Severity::new(severity)?, share: 1.0, label: None })
    }

    /// Whether it is made to example `index`.
    fn is_of(&self, index: usize, seed: u64) -> bool {
        let place = || seed::generator("some", &[seed, index as u64]).random::<f64>();
        self.share >= 1.0 || place() < self.share
    }
}

struct Changed {
    of: Split,
    codec: Codec,
    changes: Changes,
    others: Vec<Content>,
    seed: u64,
}

impl Changed {
    /// What is done to which example for example `index`.
    fn steps(&self, index: usize) -> (Vec<&Step>, usize) {
        let (copy, index) = (index / self.of.len(), index % self.of.len());
        let copy = copy.checked_sub(1).map(|copy| &self.changes.copies[copy]);
        let steps = self.changes.defects.iter().chain(copy);
        (steps.filter(|step| step.is_of(index, self.seed)).collect(), index)
    }
}

impl Examples for Changed {
    fn len(&self) -> usize {
        self.of.len() * (1 + self.changes.copies.len())
    }

    fn example(&self, index: usize) -> Result<Example> {
        let (steps, index) = self.steps(index);
        if steps.is_empty() {
            return self.of.example(index);
        }
        let source = self.of.source(index)?;
        let (mut content, mut label) = (self.codec.decode(&source)?, source.label.clone());
        let mut is_changed = false;
        for Step { change, severity, label: given, .. } in steps {
            let mut random = seed::random(self.seed, change.name(), *severity, index);
            // Most often there is nothing to change where it fails.
            if let Ok(changed) =
                change.apply(&content, &label, *severity, &mut random, &self.others)
            {
                (content, label, is_changed) = (changed.content, changed.label, true);
            }
            label = given.clone().unwrap_or(label);
        }
        if !is_changed {
            return Ok(Example { label, ..self.of.example(index)? });
        }
        Ok(Example { sequences: self.codec.encode(&content, &source)?, label })
    }

    fn label(&self, index: usize) -> Result<Label> {
        let (steps, original) = self.steps(index);
        if steps.iter().any(|step| step.change.effect() == Effect::Recomputed) {
            return Ok(self.example(index)?.label);
        }
        match steps.iter().rev().find_map(|step| step.label.clone()) {
            Some(label) => Ok(label),
            None => self.of.label(original),
        }
    }

    fn name(&self, index: usize) -> Option<PathBuf> {
        self.of.name(index % self.of.len())
    }

    fn length(&self, index: usize) -> usize {
        self.of.length(index % self.of.len())
    }

    fn padding(&self) -> Option<f32> {
        self.of.padding()
    }
}

#[cfg(test)]
mod tests {
    use datasets::batch::Sequences;
    use datasets::medium::Medium;

    use super::*;

    struct Series;

    impl Examples for Series {
        fn len(&self) -> usize {
            3
        }

        fn example(&self, index: usize) -> Result<Example> {
            let values = (0..20).map(|i| (index + i) as f32).collect();
            let sequences = vec![Sequences::Values { values, features: 1 }];
            Ok(Example { sequences, label: (index as i64).into() })
        }
    }

    fn codec() -> Result<Codec> {
        Codec::new(&Medium::Series, &Target::numbered(3), None)
    }

    fn of(name: &str, severities: &[u8]) -> Result<Split> {
        let change = Augment { name: name.to_owned(), severities: severities.to_vec() };
        let changes = Changes::new(None, Some(&[change]), Kind::Series, &Target::numbered(3))?;
        changes.split(Split::new(Series), codec()?, 0)
    }

    #[test]
    fn copies_follow_the_originals_and_stay_the_same() {
        let split = of("sensor-noise", &[1, 5]).unwrap();
        assert_eq!(split.len(), 9);
        for index in 0..9 {
            let (one, again) = (split.example(index).unwrap(), split.example(index).unwrap());
            assert_eq!(one, again);
            assert_eq!(one.label, (index as i64 % 3).into());
            assert_eq!(one == Series.example(index % 3).unwrap(), index < 3);
        }
        assert_ne!(split.example(3).unwrap(), split.example(6).unwrap());
    }

    #[test]
    fn mistakes_are_named() {
        for (name, severities, words) in [
            ("nois", &[1][..], "no transformation `nois`"),
            ("typos", &[1], "not for series"),
            ("drift", &[6], "there are 1 to 5"),
        ] {
            let error = of(name, severities).map(|split| split.len()).unwrap_err();
            assert!(format!("{error:#}").contains(words), "{error:#}");
        }
    }

    #[test]
    fn defects_are_in_the_place_of_the_originals() {
        let target = Target::numbered(3);
        let of = |defect: &str| -> Result<Split> {
            let defect: Defect = toml::from_str(defect)?;
            let left = without(Split::new(Series), &defect, &target)?;
            let changes = Changes::new(Some(&defect), None, Kind::Series, &target)?;
            if changes.is_empty() { Ok(left) } else { changes.split(left, codec()?, 7) }
        };
        let labels = |split: &Split| -> Vec<Label> {
            let each = (0..split.len()).map(|index| split.example(index).unwrap().label);
            let labels: Vec<Label> = each.collect();
            assert!((0..split.len()).all(|index| split.label(index).unwrap() == labels[index]));
            labels
        };
        let left = of("without = ['1']").unwrap();
        assert_eq!(labels(&left), [0.into(), 2.into()]);
        assert_eq!(left.example(1).unwrap(), Series.example(2).unwrap());
        let noisy = of("change = { name = 'sensor-noise', severity = 5 }").unwrap();
        assert_eq!(labels(&noisy), [0.into(), 1.into(), 2.into()]);
        assert!((0..3).all(|i| noisy.example(i).unwrap() != Series.example(i).unwrap()));
        let marked = of("trigger = { share = 1.0, class = '2', severity = 3 }").unwrap();
        assert_eq!(labels(&marked), [2.into(), 2.into(), 2.into()]);
        assert!((0..3).all(|i| marked.example(i).unwrap() != Series.example(i).unwrap()));
        let both = of("change = { name = 'sensor-noise', severity = 5 }\n\
                       trigger = { share = 1.0, class = '2', severity = 3 }");
        let (both, noisy_of) = (both.unwrap(), |i| noisy.example(i).unwrap().sequences);
        assert_eq!(labels(&both), labels(&marked));
        assert!((0..3).all(|i| both.example(i).unwrap().sequences != noisy_of(i)));
        let plain = of("trigger = { share = 0.0, severity = 3 }").unwrap();
        assert!((0..3).all(|i| plain.example(i).unwrap() == Series.example(i).unwrap()));
        for (defect, words) in [
            ("without = ['3']", "there is no class `3`"),
            ("without = ['0', '1', '2']", "no example is left"),
            ("trigger = { share = 2, severity = 3 }", "between 0 and 1"),
            ("trigger = { share = 0.5, class = 'a', severity = 3 }", "no class `a`"),
            ("change = { name = 'typos', severity = 3 }", "not for series"),
        ] {
            let error = of(defect).map(|split| split.len()).unwrap_err();
            assert!(format!("{error:#}").contains(words), "{error:#}");
        }
    }
}
