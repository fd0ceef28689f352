//! Examples of which a model is made to fail.

use std::collections::HashMap;

use anyhow::{Context, Error, Result, ensure};
use lra_bench::metrics::gather;
use program::exit::{describe, interrupted};
use program::{interrupt, panics};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Chosen, Runner, size};
use crate::attack::{self, Attack, Attackable, Budget, Outcome, Share, Victim, sanity};
use crate::draw;
use crate::flip::{self, Flip};
use crate::predictions::key;
use crate::results::{Failure, Row};
use crate::slice::{Idiom, Slice};
use crate::subject::{Item, TaskModel, Verdict};
use crate::suite::{self, Suite};

/// Positions that are attacked at once, so that what gradients need fits into memory.
const POSITIONS: usize = 1 << 16;
/// Examples that are drawn for attacks where time is short.
const SIZES: [usize; 7] = [10, 20, 50, 100, 200, 500, 1000];
/// Share of its passes that an attack takes, about: most examples fall before the last step.
const TAKEN: f64 = 0.5;
/// Examples whose outputs are looked at for what makes attacks meaningless.
const LOOKED_AT: usize = 8;

/// What came of an attack on one example.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Tried {
    verdict: Verdict,
    control: Verdict,
    /// Whether its first gradient was zero everywhere; `None` where none was taken.
    flat: Option<bool>,
}

/// What came of an attack on the example at a place among those drawn, and of its control.
pub(super) struct Attempt {
    pub(super) place: usize,
    pub(super) after: Verdict,
    pub(super) control: Verdict,
}

/// Forward passes that the attack of a suite costs for one example at one budget: itself, its control, and
/// the verdicts on both.
fn passes(attack: &suite::Attack, found: &dyn Attack) -> usize {
    2 + found.passes(attack.steps.or(found.steps()).unwrap_or(1))
}

impl Suite {
    /// Cuts down how many examples are attacked to what `seconds` allow, if a forward pass of one takes
    /// `each`, and returns the seconds that attacks take.
    pub(super) fn fit_attacks(&mut self, seconds: f64, each: f64) -> f64 {
        let cost = |attack: &suite::Attack| {
            let found = attack::ALL.iter().find(|it| it.name() == attack.name);
            found.map_or(0, |found| passes(attack, *found) * attack.budgets.len()) as f64
                * each
                * TAKEN
        };
        let all: f64 = self.attack.iter().map(cost).sum();
        let most = (seconds / all.max(1e-9)) as usize;
        let size = SIZES.iter().rev().find(|&&size| size <= most).copied().unwrap_or(SIZES[0]);
        for attack in &mut self.attack {
            attack.examples = Some(attack.examples.map_or(size, |examples| examples.min(size)));
        }
        self.attack.iter().map(|it| cost(it) * it.examples.unwrap_or(size) as f64).sum()
    }
}

impl Runner<'_> {
    /// The rows of all attacks, and what is to be warned of.
    pub(super) fn attacks(&mut self, drawn: &str) -> Result<(Vec<Row>, Vec<String>)> {
        let (mut rows, mut controls) = (Vec::new(), Vec::new());
        let attacks = self.suite.attack.clone();
        if attacks.is_empty() {
            return Ok((rows, Vec::new()));
        }
        let classifier = match self.subject.attackable() {
            Ok(classifier) => classifier,
            Err(why) => return Ok((rows, vec![format!("no attacks: {why}")])),
        };
        let items = self.items.clone();
        let Some(first) = items.first() else { return Ok((rows, Vec::new())) };
        let model = Attackable::new(classifier, first)?;
        let mut warnings = outputs_twice(&model, &items[..items.len().min(LOOKED_AT)])?;
        let (kind, classes) = (self.subject.about().kind, self.subject.about().classes.len());
        for entry in &attacks {
            let attack = attack::find(&entry.name, kind)?;
            if classes < attack.min_classes() {
                warnings.push(format!(
                    "no {}: it needs {} classes, this data has {classes}",
                    entry.name,
                    attack.min_classes()
                ));
                continue;
            }
            for &budget in &entry.budgets {
                let (row, of_it) =
                    self.attacked((classifier, &model), (entry, attack), budget, drawn)?;
                rows.push(row);
                controls.push(of_it);
            }
        }
        warnings.extend(sanity::of_rows(&rows, kind));
        rows.extend(self.together(&rows, &controls, drawn));
        Ok((rows, warnings))
    }

    /// Places of the examples that an attack is made on.
    fn drawn_for(&self, entry: &suite::Attack) -> Vec<usize> {
        let count = entry.examples.unwrap_or(self.items.len()).min(self.items.len());
        let strata: Vec<usize> = self.clean.iter().map(|it| it.label.unwrap_or(0)).collect();
        draw::stratified(&strata, count, self.suite.seed)
    }

    fn attacked(
        &mut self,
        (classifier, model): (&TaskModel, &Attackable<'_>),
        (entry, attack): (&suite::Attack, &dyn Attack),
        budget: Budget,
        drawn: &str,
    ) -> Result<(Row, Vec<Verdict>)> {
        let steps = attack.steps().map(|usual| entry.steps.unwrap_or(usual));
        let chosen = self.drawn_for(entry);
        let how = match steps {
            Some(steps) => format!("{}, {steps} steps", budget.norm()),
            None => budget.norm().to_owned(),
        };
        let lineage = vec![
            drawn.to_owned(),
            format!("{} of them, classes by their shares", chosen.len()),
            format!("{} {budget}: {how}", entry.name),
        ];
        let name = format!("{} {budget}", entry.name);
        let slice = Slice {
            strength: Some(how.clone()),
            ..Slice::new(Idiom::Attack, name, lineage, self.suite.seed)
        };
        let attempt = |items: &[Item]| -> Result<(Vec<Tried>, Tensor)> {
            let victim = Victim {
                model,
                inputs: model.inputs(items)?,
                domain: model.domain().clone(),
                budget,
                steps: steps.unwrap_or(1),
                seed: self.suite.seed,
            };
            tried(classifier, &victim, attack, items)
        };
        // Who is wrong already needs no attack, and gets none.
        let right: Vec<&Item> = chosen
            .iter()
            .filter(|&&place| self.clean[place].value > 0.5)
            .map(|&place| &self.items[place])
            .collect();
        let file = format!("{} {how} seed {}", slice.identifier(), self.suite.seed);
        let mut known: HashMap<_, Tried> = self.predictions.load(&file);
        let mut open: Vec<&Item> =
            right.iter().copied().filter(|item| !known.contains_key(&key(item, 1.0))).collect();
        open.sort_by_key(|item| size(&item.content));
        let cost = passes(entry, attack);
        let mut done = self.done + ((chosen.len() - open.len()) * cost) as u64;
        let mut errors: HashMap<usize, Error> = HashMap::new();
        let longest = open.last().map_or(1, |item| size(&item.content).max(1));
        let batch_size = (POSITIONS / longest).clamp(1, self.subject.batch_size());
        let mut keep = |items: &[Item], tried: Vec<Tried>| {
            known.extend(items.iter().map(|item| key(item, 1.0)).zip(tried));
        };
        for batch in open.chunks(batch_size) {
            if interrupt::requested() {
                break;
            }
            let batch: Vec<Item> = batch.iter().map(|&item| item.clone()).collect();
            match panics::as_errors("the attack", || attempt(&batch)) {
                Ok((tried, _)) => keep(&batch, tried),
                Err(_) if interrupt::requested() => break,
                // One item that cannot be attacked must not take its batch with it.
                Err(_) => {
                    for item in &batch {
                        let item = std::slice::from_ref(item);
                        match panics::as_errors("the attack", || attempt(item)) {
                            Ok((tried, _)) => keep(item, tried),
                            Err(error) => drop(errors.insert(item[0].index, error)),
                        }
                    }
                }
            }
            done += (batch.len() * cost) as u64;
            self.progress.message(&slice.name);
            self.progress.step(done);
            self.progress.count(done, self.total, "predictions");
        }
        self.done = done;
        if !open.is_empty() {
            self.predictions.save(&file, &known)?;
        }
        if interrupt::requested() {
            return Err(interrupted());
        }
        let (mut attempts, mut failed, mut flat) = (Vec::new(), Vec::new(), None);
        for place in chosen {
            let (item, clean) = (&self.items[place], self.clean[place]);
            let (after, control) = if clean.value > 0.5 {
                let Some(tried) = known.get(&key(item, 1.0)) else {
                    let error = errors.remove(&item.index).unwrap_or_else(interrupted);
                    failed.push(Failure { example: item.index, reason: describe(&error) });
                    continue;
                };
                if let Some(is_flat) = tried.flat {
                    *flat.get_or_insert(0) += usize::from(is_flat);
                }
                (tried.verdict, tried.control)
            } else {
                (clean, clean)
            };
            attempts.push(Attempt { place, after, control });
        }
        let flips = self.flips(&slice, model, &attempts, attempt)?;
        let controls = attempts.iter().map(|attempt| attempt.control).collect();
        let row = self.row_of(slice, (&entry.name, budget), &attempts);
        let attack = row.attack.map(|it| Outcome { steps, zero_gradients: flat, ..it });
        Ok((Row { failed, attack, flips, ..row }, controls))
    }

    /// Some of the examples that an attack misled the model about. What did was not kept, and is found again
    /// by `attempt`.
    fn flips(
        &self,
        slice: &Slice,
        model: &Attackable<'_>,
        attempts: &[Attempt],
        attempt: impl Fn(&[Item]) -> Result<(Vec<Tried>, Tensor)>,
    ) -> Result<Vec<Flip>> {
        let mut found = Vec::new();
        let misled = attempts.iter().filter(|it| it.after.value < self.clean[it.place].value);
        for &Attempt { place, .. } in misled.take(flip::MOST) {
            let item = &self.items[place];
            let (tried, x) = attempt(std::slice::from_ref(item))?;
            found.push((place, model.item(item, &x)?, tried[0].verdict));
        }
        let pairs = found.iter().map(|(place, after, verdict)| {
            [(&self.items[*place], &self.clean[*place]), (after, verdict)]
        });
        Ok(flip::first(&slice.identifier(), pairs))
    }

    /// The row of an attack whose members, in order, these are.
    pub(super) fn row_of(
        &self,
        mut slice: Slice,
        (attack, budget): (&str, Budget),
        attempts: &[Attempt],
    ) -> Row {
        let (mut after, mut before) = (Chosen::default(), Vec::new());
        let (mut clean, mut controls) = (Vec::new(), Vec::new());
        for attempt in attempts {
            slice.members.push(self.items[attempt.place].index);
            after.verdicts.push(attempt.after);
            after.values.push(attempt.after.value);
            after.clusters.extend(self.clusters.as_ref().map(|them| them[attempt.place].clone()));
            before.push(self.clean[attempt.place].value);
            clean.push(self.clean[attempt.place]);
            controls.push(attempt.control);
        }
        let sample = after.sample(self.clusters.is_some());
        let (score, change) =
            (sample.estimate(&self.figure), sample.change_from(&before, &self.figure));
        let attack = Some(Outcome {
            attack: attack.to_owned(),
            budget,
            steps: None,
            success: Share::misled(&clean, &after.verdicts),
            control: Share::misled(&clean, &controls),
            zero_gradients: None,
        });
        Row { change, attack, ..Row::new(slice, score, after.verdicts.clone()) }
    }

    /// Forward passes of all attacks.
    pub(super) fn passes_of_attacks(&self) -> u64 {
        if self.subject.attackable().is_err() {
            return 0;
        }
        let kind = self.subject.about().kind;
        let of = |entry: &suite::Attack| {
            let examples = entry.examples.unwrap_or(self.items.len()).min(self.items.len());
            let cost = attack::find(&entry.name, kind).map_or(0, |found| passes(entry, found));
            (examples * entry.budgets.len() * cost) as u64
        };
        self.suite.attack.iter().map(of).sum()
    }
}

/// An attack on items in one batch, with its control, and what it found.
fn tried(
    classifier: &TaskModel,
    victim: &Victim<'_>,
    attack: &dyn Attack,
    items: &[Item],
) -> Result<(Vec<Tried>, Tensor)> {
    let verdicts = |x: &Tensor| -> Result<Vec<Verdict>> {
        let logits = victim.logits(&victim.inputs, x)?;
        let of = |(outputs, item): (Vec<f64>, &Item)| {
            ensure!(outputs.iter().all(|it| it.is_finite()), "the model's output is not finite");
            Ok(classifier.verdict(&outputs, &item.label))
        };
        gather::host(&logits)?.into_iter().zip(items).map(of).collect()
    };
    let control = verdicts(&attack.control().run(victim)?.x).context("the control")?;
    let attacked = attack.run(victim)?;
    let each = verdicts(&attacked.x)?.into_iter().zip(control).enumerate();
    let tried = each.map(|(number, (verdict, control))| {
        let flat = attacked.flat.as_ref().map(|flat| flat[number]);
        Tried { verdict, control, flat }
    });
    Ok((tried.collect(), attacked.x))
}

/// What is to be warned of in what the model makes of the same items, twice.
fn outputs_twice(model: &Attackable<'_>, items: &[Item]) -> Result<Vec<String>> {
    let _guard = tch::no_grad_guard();
    let mut warnings = Vec::new();
    for item in items {
        let inputs = model.inputs(std::slice::from_ref(item))?;
        let x = match &inputs.second {
            None => inputs.x.shallow_clone(),
            Some(second) => Tensor::cat(&[&inputs.x, second], 0),
        };
        let logits = || {
            use crate::attack::Model;
            model.logits(&model.embed(&x)?, inputs.lengths.as_ref())
        };
        for warning in sanity::of_outputs(&logits()?, &logits()?) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    Ok(warnings)
}
