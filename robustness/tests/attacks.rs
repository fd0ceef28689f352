//! Attacks on models whose best perturbation is known, and on a small trained network.

use std::f64::consts::TAU;

use anyhow::Result;
use models::Network;
use parity::seeded;
use rand::Rng;
use robustness::attack::{
    ALL, Attack, Budget, Domain, Fgsm, Flips, HotFlip, Inputs, Loss, Model, Outcome, Pgd, Share,
    Signs, Square, Victim, find, sanity,
};
use robustness::results::Row;
use robustness::slice::{Idiom, Slice};
use robustness::subject::Verdict;
use s4_config::{Input, NetworkConfig, Output, Shape};
use s4_core::layer::{Pass, mask};
use s4_core::params::ParamStore;
use tch::{Device, Kind, Tensor};
use transformations::content::Kind as Content;
use transformations::seed;

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Numbers in [0, 1) that follow from a number.
fn numbers(shape: &[i64], number: u64) -> Tensor {
    let mut random = seed::generator("test", &[number]);
    let count = shape.iter().product::<i64>();
    let values: Vec<f32> = (0..count).map(|_| random.random()).collect();
    Tensor::from_slice(&values).view(shape)
}

/// Logits that are sums over positions of weights (L, features or H, classes) times values.
struct Linear {
    weight: Tensor,
    /// Of tokens, their vectors (V, H).
    vectors: Option<Tensor>,
    /// Nothing is told of gradients.
    hides: bool,
}

impl Linear {
    fn of_values(length: i64, features: i64, classes: i64) -> Self {
        let weight = numbers(&[length, features, classes], 1) - 0.5;
        Self { weight, vectors: None, hides: false }
    }
}

impl Model for Linear {
    fn embed(&self, x: &Tensor) -> Result<Tensor> {
        let x = match &self.vectors {
            Some(vectors) => Tensor::embedding(vectors, x, -1, false, false),
            None => x.shallow_clone(),
        };
        Ok(x.transpose(1, 2))
    }

    fn logits(&self, x: &Tensor, lengths: Option<&Tensor>) -> Result<Tensor> {
        let x = match lengths {
            Some(lengths) => mask::zero_padding(x, lengths),
            None => x.shallow_clone(),
        };
        let x = if self.hides { x.detach() + &x * 0.0 } else { x };
        let weight = self.weight.narrow(0, 0, x.size()[2]);
        Ok(Tensor::einsum("bfl,lfc->bc", &[&x, &weight], None::<&[i64]>))
    }
}

/// Examples that the model is right about: their labels are what it says.
fn right(model: &dyn Model, x: Tensor, lengths: Option<&[i64]>) -> Inputs {
    let lengths = lengths.map(Tensor::from_slice);
    let logits = tch::no_grad(|| model.logits(&model.embed(&x).unwrap(), lengths.as_ref()));
    let labels = logits.unwrap().argmax(1, false);
    let examples = (0..x.size()[0] as usize).map(|row| 10 + row).collect();
    Inputs { x, second: None, lengths, labels, examples }
}

fn victim<'a>(model: &'a dyn Model, inputs: Inputs, budget: &str, steps: usize) -> Victim<'a> {
    let budget: Budget = budget.parse().unwrap();
    let domain = match budget {
        Budget::Level(_) => Domain::Values(0.0..1.0),
        Budget::Snr(_) => Domain::Values(-1.0..1.0),
        Budget::Percent(_) => Domain::Tokens(3..20),
    };
    Victim { model, inputs, domain, budget, steps, seed: 0 }
}

/// Logits after the attack.
fn after(victim: &Victim<'_>, attack: &dyn Attack) -> Tensor {
    victim.logits(&victim.inputs, &attack.run(victim).unwrap().x).unwrap()
}

/// How many are wrong after the attack.
fn fooled(victim: &Victim<'_>, attack: &dyn Attack) -> i64 {
    let wrong = after(victim, attack).argmax(1, false).ne_tensor(&victim.inputs.labels);
    wrong.sum(Kind::Int64).int64_value(&[])
}

fn mean_loss(victim: &Victim<'_>, attack: &dyn Attack) -> f64 {
    let loss = Loss::CrossEntropy.of(&after(victim, attack), &victim.inputs.labels);
    loss.mean(Kind::Double).double_value(&[])
}

/// All attacks on values.
fn of_values() -> impl Iterator<Item = &'static dyn Attack> {
    let attacks = ALL.iter().copied().filter(|it| it.kinds().contains(&Content::Picture));
    attacks.chain([&Signs as &dyn Attack])
}

fn largest(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

#[test]
fn one_step_is_the_optimum_of_a_linear_model() {
    let model = Linear::of_values(40, 2, 2);
    let inputs = right(&model, numbers(&[6, 40, 2], 2), None);
    let victim = victim(&model, inputs, "8/255", 20);
    let attacked = Fgsm.run(&victim).unwrap();
    let (weight, labels) = (&model.weight, &victim.inputs.labels);
    let towards_1 = (weight.select(2, 1) - weight.select(2, 0)).sign().unsqueeze(0);
    let side = (labels * -2 + 1).to_kind(Kind::Float).view([-1, 1, 1]);
    let best = (&victim.inputs.x + towards_1 * side * (8.0 / 255.0)).clamp(0.0, 1.0);
    assert!(largest(&(best - &attacked.x)) < 1e-6);
    assert_eq!(attacked.flat, Some(vec![false; 6]));
    // Nothing else gets further.
    let most = mean_loss(&victim, &Fgsm);
    for attack in of_values().filter(|attack| attack.min_classes() == 2) {
        assert!(mean_loss(&victim, attack) <= most + 1e-6, "{}", attack.name());
    }
}

#[test]
fn budgets_of_values_are_kept_and_padding_is_left_alone() {
    let model = Linear::of_values(50, 1, 5);
    let lengths = [50, 30, 1];
    let padding =
        Tensor::arange(50, CPU).unsqueeze(0).ge_tensor(&Tensor::from_slice(&lengths).unsqueeze(1));
    let padding = padding.unsqueeze(2);
    for (budget, low) in [("4/255", 0.0), ("0.3", 0.0), ("20 dB", -1.0)] {
        let x = numbers(&[3, 50, 1], 3) * (1.0 - low) + low;
        let x = x.masked_fill(&padding, 0.7);
        let victim = victim(&model, right(&model, x, Some(&lengths)), budget, 12);
        let ball = victim.ball().unwrap();
        for attack in of_values() {
            let x = attack.run(&victim).unwrap().x;
            let name = attack.name();
            assert!(x.min().double_value(&[]) >= low && x.max().double_value(&[]) <= 1.0, "{name}");
            let change = &x - &victim.inputs.x;
            assert!(largest(&change.masked_select(&padding)) == 0.0, "{name}");
            let beyond = (change.abs() - &ball.radius).max().double_value(&[]);
            assert!(beyond < 1e-6, "{name}: {beyond}");
        }
    }
}

#[test]
fn a_perturbation_of_full_size_has_the_ratio_that_it_says() {
    let model = Linear::of_values(400, 1, 5);
    // Soft enough that nothing is clipped.
    let x = (numbers(&[2, 400, 1], 4) - 0.5) * 0.2;
    for (budget, snr) in [("40 dB", 40.0), ("30 dB", 30.0), ("20 dB", 20.0)] {
        let victim = victim(&model, right(&model, x.copy(), None), budget, 10);
        let ball = victim.ball().unwrap();
        for attack in [&Signs as &dyn Attack, &Fgsm] {
            for its in ball.snr(&attack.run(&victim).unwrap().x) {
                assert!((its - snr).abs() < 0.1, "{}: {its} dB", attack.name());
            }
        }
        for attack in of_values() {
            let least = ball.snr(&attack.run(&victim).unwrap().x).into_iter().fold(999.0, f64::min);
            assert!(least > snr - 0.1, "{}: {least} dB", attack.name());
        }
    }
}

#[test]
fn what_is_found_does_not_depend_on_the_batch() {
    let model = Linear::of_values(30, 2, 5);
    let lengths = [30i64, 12, 20];
    let x = numbers(&[3, 30, 2], 5);
    for attack in of_values() {
        let together = victim(&model, right(&model, x.copy(), Some(&lengths)), "8/255", 15);
        let all = attack.run(&together).unwrap().x;
        for row in [2, 1, 0] {
            let length = lengths[row as usize];
            let alone = x.narrow(0, row, 1).narrow(1, 0, length);
            let mut inputs = right(&model, alone, Some(&[length]));
            inputs.examples = vec![10 + row as usize];
            let one = attack.run(&victim(&model, inputs, "8/255", 15)).unwrap().x;
            let same = all.narrow(0, row, 1).narrow(1, 0, length);
            assert!(largest(&(one - same)) < 1e-6, "{} {row}", attack.name());
        }
    }
}

#[test]
fn a_search_without_gradients_needs_none() {
    let open = Linear::of_values(60, 1, 2);
    let hidden = Linear { hides: true, ..Linear::of_values(60, 1, 2) };
    let inputs = || right(&hidden, numbers(&[40, 60, 1], 6), None);
    let hidden = victim(&hidden, inputs(), "0.1", 300);
    let open = victim(&open, inputs(), "0.1", 300);
    let flat = Fgsm.run(&hidden).unwrap().flat.unwrap();
    assert!(flat.iter().all(|&flat| flat));
    assert_eq!(fooled(&hidden, &Fgsm), 0);
    let (found, possible) = (fooled(&hidden, &Square), fooled(&open, &Fgsm));
    let by_chance = fooled(&hidden, &Signs);
    assert!(possible >= found && found > possible * 3 / 4, "{found} of {possible}");
    assert!(by_chance < found / 2, "{by_chance} by chance, {found} by search");
}

/// A bag of tokens: every position counts the same.
fn bag() -> Linear {
    let weight = numbers(&[1, 6, 2], 7).expand([400, 6, 2], false) - 0.5;
    Linear { weight: weight.copy(), vectors: Some(numbers(&[20, 6], 8) - 0.5), hides: false }
}

/// Texts with an end, 2, and padding, 0.
fn texts(rows: i64, length: i64) -> (Tensor, Vec<i64>) {
    let x = (numbers(&[rows, length], 9) * 17.0).floor().to_kind(Kind::Int64) + 3;
    let lengths: Vec<i64> = (0..rows).map(|row| length - row).collect();
    for (row, &length) in lengths.iter().enumerate() {
        let row = x.get(row as i64);
        let _ = row.narrow(0, length - 1, row.size()[0] - length + 1).fill_(0);
        let _ = row.narrow(0, length - 1, 1).fill_(2);
    }
    (x, lengths)
}

#[test]
fn one_flip_is_the_best_of_all() {
    let model = bag();
    let (x, lengths) = texts(3, 40);
    let victim = victim(&model, right(&model, x, Some(&lengths)), "3%", 10);
    let found = after(&victim, &HotFlip);
    let found = Vec::<f64>::try_from(Loss::Margin.of(&found, &victim.inputs.labels)).unwrap();
    for (row, &found) in found.iter().enumerate() {
        let mut best = f64::NEG_INFINITY;
        let row = Tensor::from_slice(&[row as i64]);
        let one = victim.inputs.rows(&row);
        for place in 0..one.valid_lengths()[0] as i64 - 1 {
            for token in 3..20 {
                let x = one.x.copy();
                let _ = x.get(0).narrow(0, place, 1).fill_(token);
                let logits = victim.logits(&one, &x).unwrap();
                best = best.max(Loss::Margin.of(&logits, &one.labels).double_value(&[0]));
            }
        }
        assert!((best - found).abs() < 1e-5, "{found}, best {best}");
    }
}

#[test]
fn flips_stay_within_their_budget_and_their_alphabet() {
    let model = bag();
    let (x, lengths) = texts(6, 200);
    for (budget, share) in [("1%", 0.01), ("5%", 0.05), ("10%", 0.1)] {
        let victim = victim(&model, right(&model, x.copy(), Some(&lengths)), budget, 10);
        for attack in [&HotFlip as &dyn Attack, &Flips] {
            let found = attack.run(&victim).unwrap().x;
            let changed = found.ne_tensor(&x);
            for (row, &length) in lengths.iter().enumerate() {
                let count = changed.get(row as i64).sum(Kind::Int64).int64_value(&[]);
                let most = (share * (length - 1) as f64 + 1e-9).floor() as i64;
                assert!(count <= most, "{}: {count} of {length}", attack.name());
                let all = attack.name() == Flips.name();
                assert!(!all || count == most, "{count} by chance, {most} allowed");
            }
            let new = found.masked_select(&changed);
            assert!(new.lt(3).logical_or(&new.ge(20)).any().int64_value(&[]) == 0);
            assert!(
                largest(&x.lt(3).to_kind(Kind::Int64).masked_select(&changed).sum(Kind::Float))
                    == 0.0
            );
        }
        assert!(mean_loss(&victim, &HotFlip) > mean_loss(&victim, &Flips));
    }
}

#[test]
fn flips_do_not_depend_on_the_batch() {
    let model = bag();
    let (x, lengths) = texts(3, 100);
    for attack in [&HotFlip as &dyn Attack, &Flips] {
        let all = attack.run(&victim(&model, right(&model, x.copy(), Some(&lengths)), "5%", 10));
        let all = all.unwrap().x;
        for (row, &length) in lengths.iter().enumerate() {
            let alone = x.narrow(0, row as i64, 1).narrow(1, 0, length);
            let mut inputs = right(&model, alone, Some(&[length]));
            inputs.examples = vec![10 + row];
            let one = attack.run(&victim(&model, inputs, "5%", 10)).unwrap().x;
            assert_eq!(one, all.narrow(0, row as i64, 1).narrow(1, 0, length), "{}", attack.name());
        }
    }
}

#[test]
fn a_wrong_budget_is_an_error() {
    let model = Linear::of_values(10, 1, 2);
    let inputs = right(&model, numbers(&[1, 10, 1], 1), None);
    let victim = Victim { domain: Domain::Values(0.0..1.0), ..victim(&model, inputs, "5%", 1) };
    for attack in [&Fgsm as &dyn Attack, &HotFlip] {
        assert!(attack.run(&victim).is_err(), "{}", attack.name());
    }
    let message = find("hotflip", Content::Picture).map(|it| it.name()).unwrap_err().to_string();
    assert!(message.contains("fgsm, pgd, apgd-ce"), "{message}");
}

/// A network of S4 that tells four frequencies apart.
struct Trained {
    network: Network,
    params: ParamStore,
}

impl Model for Trained {
    fn embed(&self, x: &Tensor) -> Result<Tensor> {
        self.network.embed(&centred(x))
    }

    fn logits(&self, x: &Tensor, lengths: Option<&Tensor>) -> Result<Tensor> {
        let lengths = lengths.map(Tensor::shallow_clone);
        self.network.from_embedded(x, &Pass::eval().with_lengths(lengths))
    }
}

/// Waves in noise, in [0, 1], and their frequencies' numbers.
fn waves(count: i64, number: u64) -> (Tensor, Tensor) {
    let labels = (numbers(&[count], number) * 4.0).floor();
    let phase = numbers(&[count, 1], number + 100) * TAU;
    let time = Tensor::arange(48, CPU).unsqueeze(0);
    let wave = (time * (labels.unsqueeze(1) + 1.0) * 0.2 + phase).sin() * 0.15;
    let noise = (numbers(&[count, 48], number + 200) - 0.5) * 0.2;
    ((wave + noise + 0.5).unsqueeze(2), labels.to_kind(Kind::Int64))
}

fn centred(x: &Tensor) -> Tensor {
    (x - 0.5) * 5.0
}

fn trained() -> Trained {
    seeded(0, || {
        let mut config =
            NetworkConfig { d_model: Some(16), n_layers: Some(2), ..NetworkConfig::default() };
        config.layer.ssm.d_state = 8;
        let mut params = ParamStore::new(Device::Cpu, Kind::Float);
        let shape = Shape { input: Input::Values { features: 1 }, output: Output::Classes(4) };
        let network = Network::new(&mut params.root(), &config, shape).unwrap();
        let model = Trained { network, params };
        let zeros = || model.params.parameters().map(|it| it.1.zeros_like()).collect();
        let (mut means, mut squares): (Vec<Tensor>, Vec<Tensor>) = (zeros(), zeros());
        for step in 0..150 {
            let (x, labels) = waves(32, 1000 + step);
            let logits = model.network.forward(&centred(&x), &Pass::train()).unwrap();
            model.params.zero_grad();
            Loss::CrossEntropy.of(&logits, &labels).mean(Kind::Float).backward();
            tch::no_grad(|| {
                let moments = means.iter_mut().zip(&mut squares);
                for ((_, parameter, _), (mean, square)) in model.params.parameters().zip(moments) {
                    let gradient = parameter.grad();
                    *mean = &*mean * 0.9 + &gradient * 0.1;
                    *square = &*square * 0.99 + gradient.square() * 0.01;
                    let mut parameter = parameter.shallow_clone();
                    parameter -= &*mean / (square.sqrt() + 1e-6) * 0.01;
                }
            });
        }
        model
    })
}

#[test]
fn stronger_attacks_find_more_in_a_trained_network() {
    let model = trained();
    let (x, labels) = waves(64, 1);
    let all = Inputs { labels: labels.copy(), ..right(&model, x.copy(), None) };
    let clean = victim(&model, all, "8/255", 1).logits(&right(&model, x.copy(), None), &x).unwrap();
    let is_right = clean.argmax(1, false).eq_tensor(&labels);
    let count = is_right.sum(Kind::Int64).int64_value(&[]);
    assert!(count > 48, "{count} of 64 right");
    let kept = is_right.nonzero().squeeze_dim(1);
    let inputs = || right(&model, x.index_select(0, &kept), None);
    let before = Loss::CrossEntropy.of(&clean, &labels).index_select(0, &kept);
    let before = before.mean(Kind::Double).double_value(&[]);
    let attack = |name| find(name, Content::Picture).unwrap();
    let at = |budget, steps| victim(&model, inputs(), budget, steps);
    assert!(mean_loss(&at("4/255", 1), &Fgsm) > before);
    // Where nothing falls, all steps go into the loss.
    let losses = [
        mean_loss(&at("4/255", 1), &Fgsm),
        mean_loss(&at("4/255", 20), &Pgd),
        mean_loss(&at("4/255", 100), attack("apgd-ce")),
    ];
    assert!(losses[1] > losses[0] && losses[2] > losses[1] - 1e-4, "{losses:?}");
    for budget in ["8/255", "16/255"] {
        let (fgsm, pgd) = (fooled(&at(budget, 1), &Fgsm), fooled(&at(budget, 20), &Pgd));
        let ce = fooled(&at(budget, 60), attack("apgd-ce"));
        let dlr = fooled(&at(budget, 60), attack("apgd-dlr"));
        let (square, chance) = (fooled(&at(budget, 200), &Square), fooled(&at(budget, 1), &Signs));
        let all = format!(
            "{budget} of {count}: fgsm {fgsm}, pgd {pgd}, apgd {ce} {dlr}, square {square}, chance {chance}"
        );
        assert!(pgd >= fgsm && ce >= pgd - 3 && ce.max(dlr) >= pgd, "{all}");
        assert!(square <= ce.max(dlr) + 1 && chance <= fgsm, "{all}");
    }
    assert_eq!(fooled(&at("64/255", 40), attack("apgd-ce")), count);
}

fn verdicts(right: &[bool]) -> Vec<Verdict> {
    let of = |&right: &bool| Verdict {
        value: f64::from(u8::from(right)),
        label: Some(0),
        predicted: Some(usize::from(!right)),
        confidence: 1.0,
    };
    right.iter().map(of).collect()
}

#[test]
fn success_is_counted_over_the_examples_that_were_right() {
    let before = verdicts(&[true, true, false, true, false]);
    let after = verdicts(&[false, true, false, false, true]);
    let share = Share::misled(&before, &after);
    assert_eq!((share.count, share.of), (2, 3));
    assert!(share.interval.low < share.value() && share.value() < share.interval.high);
    assert_eq!(Share::misled(&[], &[]).value(), 0.0);
}

/// A row of an attack on 100 examples, all right before, of which `fooled` are wrong.
fn row(attack: &str, budget: &str, fooled: usize, zero_gradients: Option<usize>) -> Row {
    let right: Vec<bool> = (0..100).map(|example| example >= fooled).collect();
    let (before, after) = (verdicts(&[true; 100]), verdicts(&right));
    let outcome = Outcome {
        attack: attack.to_owned(),
        budget: budget.parse().unwrap(),
        steps: None,
        success: Share::misled(&before, &after),
        control: Share::misled(&before, &before),
        zero_gradients,
    };
    let slice = Slice {
        idiom: Idiom::Attack,
        name: format!("{attack} {budget}"),
        lineage: Vec::new(),
        severity: None,
        strength: None,
        effect: None,
        seed: 0,
        members: (0..100).collect(),
    };
    Row {
        slice,
        score: None,
        change: None,
        verdicts: after,
        failed: Vec::new(),
        unchanged: Vec::new(),
        flips: Vec::new(),
        attack: Some(outcome),
    }
}

#[test]
fn weak_attacks_are_warned_of() {
    let of = |rows: &[Row]| sanity::of_rows(rows, Content::Picture).join("\n");
    let sound = [
        row("fgsm", "8/255", 40, Some(0)),
        row("pgd", "8/255", 60, Some(0)),
        row("pgd", "32/255", 100, Some(0)),
        row("square", "8/255", 50, None),
    ];
    assert_eq!(of(&sound), "");
    for (rows, words) in [
        (vec![row("pgd", "8/255", 60, Some(3))], "of 3 of 100 examples are zero"),
        (
            vec![row("fgsm", "8/255", 60, None), row("fgsm", "4/255", 70, None)],
            "less at 8/255 than at 4/255",
        ),
        (vec![row("apgd-ce", "32/255", 80, None)], "too weak"),
        (vec![row("pgd", "8/255", 40, None), row("square", "8/255", 41, None)], "1.0 points more"),
    ] {
        let warnings = of(&rows);
        assert!(warnings.contains(words) && warnings.lines().count() == 1, "{warnings}");
    }
    let outputs = Tensor::from_slice(&[0.2f32, 0.8]).view([1, 2]);
    assert!(sanity::of_outputs(&outputs, &outputs)[0].contains("probabilities"));
    let logits = &outputs * 3.0;
    assert!(sanity::of_outputs(&logits, &logits).is_empty());
    assert!(sanity::of_outputs(&logits, &(&logits + 1.0))[0].contains("random"));
}
