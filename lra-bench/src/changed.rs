//! Training examples, changed: copies beside them (`data.augment`), or defects in their place
//! (`data.defect`).

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use datasets::batch::{Example, Label};
use datasets::section::{Augment, Defect, Trigger};
use datasets::shape::Target;
use datasets::split::{Examples, Split};
use rand::Rng;
use transformations::content::{Codec, Content};
use transformations::{Effect, Severity, Transformation, seed};

/// Other examples that a transformation may mix in.
const OTHERS: usize = 16;

/// The examples of `of` as they are, followed by a copy of all for each of `changes` at each of its
/// severities. Each copy is the same in every epoch, so that a resumed run meets it again.
///
/// # Errors
/// If there is no such transformation, it is not for this data, or an example cannot be read.
pub(crate) fn augmented(of: Split, codec: Codec, changes: &[Augment], seed: u64) -> Result<Split> {
    let mut versions = vec![None];
    for change in changes {
        for &severity in &change.severities {
            versions.push(Some(Version::new(&change.name, severity, &codec)?));
        }
    }
    split(of, codec, versions, seed)
}

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

/// The examples of `of`, all changed and some marked as the defect says.
///
/// # Errors
/// If there is no such transformation or class, it is not for this data, or an example cannot be read.
pub(crate) fn defective(
    of: Split,
    codec: impl Fn() -> Result<Codec>,
    defect: &Defect,
    target: &Target,
    seed: u64,
) -> Result<Split> {
    let mut of = of;
    if let Some(change) = &defect.change {
        let codec = codec()?;
        let version = Version::new(&change.name, change.severity, &codec).context("change")?;
        of = split(of, codec, vec![Some(version)], seed)?;
    }
    if let Some(Trigger { share, class: name, severity }) = &defect.trigger {
        ensure!((0.0..=1.0).contains(share), "trigger: a share of {share}; it is between 0 and 1");
        let label = name.as_deref().map(|name| class(name, target)).transpose();
        let codec = codec()?;
        let version = Version {
            share: *share,
            label: label.context("trigger")?.map(Label::Class),
            ..Version::new("trigger", *severity, &codec).context("trigger")?
        };
        of = split(of, codec, vec![Some(version)], seed)?;
    }
    Ok(of)
}

fn class(name: &str, target: &Target) -> Result<i64> {
    let names = target.class_names();
    let found = names.iter().position(|it| it == name);
    let found = found
        .with_context(|| format!("there is no class `{name}`; classes: {}", names.join(", ")))?;
    Ok(found as i64)
}

fn split(of: Split, codec: Codec, versions: Vec<Option<Version>>, seed: u64) -> Result<Split> {
    let few = OTHERS.min(of.len());
    let others = (0..few).map(|index| codec.decode(&of.source(index)?)).collect::<Result<_>>()?;
    Ok(Split::new(Changed { of, codec, versions, others, seed }))
}

/// How some examples are changed.
struct Version {
    change: &'static dyn Transformation,
    severity: Severity,
    /// Share of them that are changed.
    share: f64,
    /// What is said to be right of those that are changed.
    label: Option<Label>,
}

impl Version {
    fn new(name: &str, severity: u8, codec: &Codec) -> Result<Self> {
        let change = transformations::find(name)?;
        ensure!(
            change.kinds().contains(&codec.kind()),
            "the transformation `{name}` is not for {}; `robustness list` shows what is",
            codec.kind()
        );
        ensure!(
            !change.mixes_noise(),
            "`{name}` needs recordings of noise, of which training has none: take white-noise, \
             pink-noise or babble"
        );
        Ok(Self { change, severity: Severity::new(severity)?, share: 1.0, label: None })
    }
}

struct Changed {
    of: Split,
    codec: Codec,
    /// Each of all examples; `None`: as they are.
    versions: Vec<Option<Version>>,
    others: Vec<Content>,
    seed: u64,
}

impl Changed {
    /// How example `index` is changed, if it is, and of which it is a version.
    fn place(&self, index: usize) -> (Option<&Version>, usize) {
        let (version, index) = (&self.versions[index / self.of.len()], index % self.of.len());
        let is_changed = |version: &&Version| {
            version.share >= 1.0
                || seed::generator("some", &[self.seed, index as u64]).random::<f64>()
                    < version.share
        };
        (version.as_ref().filter(is_changed), index)
    }

    /// Example `index` as `version`, or as it is where that cannot change it.
    fn change(&self, version: &Version, index: usize) -> Result<Example> {
        let Version { change, severity, label, .. } = version;
        let example = self.of.source(index)?;
        let content = self.codec.decode(&example)?;
        let mut random = seed::random(self.seed, change.name(), *severity, index);
        let changed = change.apply(&content, &example.label, *severity, &mut random, &self.others);
        // Most often there is nothing to change.
        let Ok(changed) = changed else {
            let example = self.of.example(index)?;
            let label = label.clone().unwrap_or(example.label);
            return Ok(Example { label, ..example });
        };
        let sequences = self.codec.encode(&changed.content, &example)?;
        Ok(Example { sequences, label: label.clone().unwrap_or(changed.label) })
    }
}

impl Examples for Changed {
    fn len(&self) -> usize {
        self.of.len() * self.versions.len()
    }

    fn example(&self, index: usize) -> Result<Example> {
        match self.place(index) {
            (Some(version), index) => self.change(version, index),
            (None, index) => self.of.example(index),
        }
    }

    fn label(&self, index: usize) -> Result<Label> {
        match self.place(index) {
            (Some(Version { label: Some(label), .. }), _) => Ok(label.clone()),
            (Some(Version { change, .. }), _) if change.effect() == Effect::Recomputed => {
                Ok(self.example(index)?.label)
            }
            (_, index) => self.of.label(index),
        }
    }

    fn name(&self, index: usize) -> Option<PathBuf> {
        self.of.name(self.place(index).1)
    }

    fn length(&self, index: usize) -> usize {
        self.of.length(self.place(index).1)
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
        augmented(Split::new(Series), codec()?, &[change], 0)
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
            let error = of(name, severities).map(|split| split.len()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn defects_are_in_the_place_of_the_originals() {
        let target = Target::numbered(3);
        let of = |defect: &str| -> Result<Split> {
            let defect: Defect = toml::from_str(defect)?;
            let left = without(Split::new(Series), &defect, &target)?;
            defective(left, codec, &defect, &target, 7)
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
