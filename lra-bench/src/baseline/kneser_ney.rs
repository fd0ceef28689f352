//! n-grams with interpolated Kneser-Ney smoothing, modified (Chen and Goodman 1999) or with one
//! discount: every order takes a discount from what it counted and gives it to the next lower one, down
//! to the uniform distribution, so that probabilities sum to 1.
//!
//! The n-grams of all lengths are a trie, read forward. Below the highest order an n-gram counts in how
//! many ways it is preceded, not how often it occurs.

use std::collections::HashMap;

use datasets::language::vocabulary::START;

/// Counts of a text.
#[derive(Debug)]
pub struct KneserNey {
    /// Node of an n-gram and the next token to the node of the longer n-gram. Node 0 is the empty one.
    children: HashMap<(u32, u32), u32>,
    /// Of each node.
    counts: Vec<u32>,
    contexts: Vec<Context>,
    /// What is taken from counts of 1, of 2, and of 3 and more, for each length of a context.
    discounts: Vec<[f64; 3]>,
    order: usize,
    vocabulary: usize,
}

/// What followed an n-gram.
#[derive(Debug, Clone, Copy, Default)]
struct Context {
    total: u64,
    /// Tokens that were counted once, twice, and more often.
    tokens: [u32; 3],
}

impl KneserNey {
    /// The n-grams up to `order` tokens (at least 1) of `text`, whose tokens are below `vocabulary`. The
    /// discounts are estimated for each order, or all are `discount`, in [0, 1).
    ///
    /// # Panics
    /// If `order` is 0.
    pub fn fit(text: &[u32], order: usize, vocabulary: usize, discount: Option<f64>) -> Self {
        assert!(order > 0, "an n-gram has at least one token");
        let mut model = Self {
            children: HashMap::new(),
            counts: vec![0],
            contexts: Vec::new(),
            discounts: Vec::new(),
            order,
            vocabulary,
        };
        let mut depths = vec![0];
        let mut history = History::new(&[0]);
        model.count(&mut history, START, &mut depths);
        // What stands before a text is context alone.
        model.counts.iter_mut().for_each(|count| *count = 0);
        for &token in text {
            model.count(&mut history, token, &mut depths);
        }
        model.contexts = vec![Context::default(); model.counts.len()];
        // How many n-grams of each length were counted once to four times.
        let mut of_counts = vec![[0u64; 5]; order];
        for (&(context, _), &node) in &model.children {
            let count = model.counts[node as usize];
            if count > 0 {
                let context = &mut model.contexts[context as usize];
                context.total += u64::from(count);
                context.tokens[count.min(3) as usize - 1] += 1;
                of_counts[usize::from(depths[node as usize]) - 1][count.min(5) as usize - 1] += 1;
            }
        }
        let one = discount.map(|discount| [discount; 3]);
        model.discounts = of_counts.iter().map(|of| one.unwrap_or_else(|| estimated(of))).collect();
        model
    }

    /// Counts `token` after `history`, in all lengths.
    fn count(&mut self, history: &mut History, token: u32, depths: &mut Vec<u8>) {
        let mut next = vec![0];
        let mut shorter: Option<u32> = None;
        for (length, &context) in history.0.iter().enumerate() {
            let fresh = self.counts.len() as u32;
            let node = *self.children.entry((context, token)).or_insert(fresh);
            if node == fresh {
                self.counts.push(0);
                depths.push(length as u8 + 1);
                if let Some(shorter) = shorter {
                    self.counts[shorter as usize] += 1;
                }
            }
            if length + 1 == self.order {
                self.counts[node as usize] += 1;
            } else {
                next.push(node);
            }
            shorter = Some(node);
        }
        history.0 = next;
    }

    /// Before the first token of a text.
    pub fn start(&self) -> History {
        self.after(&History::new(&[0]), START)
    }

    /// The history after one more token.
    pub fn after(&self, history: &History, token: u32) -> History {
        let child = |&context: &u32| self.children.get(&(context, token)).copied();
        let known = history.0.iter().take(self.order - 1).map_while(child);
        History([0].into_iter().chain(known).collect())
    }

    /// The probability of `token` after `history`.
    pub fn probability(&self, history: &History, token: u32) -> f64 {
        let mut probability = 1.0 / self.vocabulary as f64;
        for (&node, discounts) in history.0.iter().zip(&self.discounts) {
            let Context { total, tokens } = self.contexts[node as usize];
            if total == 0 {
                continue;
            }
            let child = self.children.get(&(node, token));
            let count = child.map_or(0, |&child| self.counts[child as usize]);
            let kept = match count {
                0 => 0.0,
                _ => f64::from(count) - discounts[count.min(3) as usize - 1],
            };
            let taken: f64 = tokens.iter().zip(discounts).map(|(&n, d)| f64::from(n) * d).sum();
            probability = (kept + taken * probability) / total as f64;
        }
        probability
    }

    /// -log p, in nats, of each token of a text.
    pub fn nll(&self, text: &[u32]) -> Vec<f64> {
        let mut history = self.start();
        let nll = |&token: &u32| {
            let nll = -self.probability(&history, token).ln();
            history = self.after(&history, token);
            nll
        };
        text.iter().map(nll).collect()
    }
}

/// The nodes of the last 0, 1, 2, … tokens.
#[derive(Debug, Clone)]
pub struct History(Vec<u32>);

impl History {
    fn new(nodes: &[u32]) -> Self {
        Self(nodes.to_vec())
    }
}

/// The discounts that leave the least to chance, from how many n-grams were counted once to four times;
/// kept off their bounds, so that small texts are smoothed, too.
fn estimated(&[one, two, three, four, _]: &[u64; 5]) -> [f64; 3] {
    let [one, two, three, four] = [one, two, three, four].map(|count| count as f64);
    let y = one / (one + 2.0 * two).max(1.0);
    let discount = |at: f64, count: f64, next: f64| {
        let estimate = if count > 0.0 { at - (at + 1.0) * y * next / count } else { 0.5 * at };
        estimate.clamp(0.1, at - 0.05)
    };
    [discount(1.0, one, two), discount(2.0, two, three), discount(3.0, three, four)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: u64, len: usize, vocabulary: u64) -> Vec<u32> {
        let mut state = seed;
        let next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % vocabulary) as u32
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    #[test]
    fn probabilities_sum_to_one_after_any_history() {
        for order in 1..=5 {
            for discount in [None, Some(0.75)] {
                let model = KneserNey::fit(&draw(1, 300, 6), order, 7, discount);
                let mut history = model.start();
                for token in draw(2, 50, 7) {
                    let each = (0..7).map(|next| model.probability(&history, next));
                    let sum: f64 = each.inspect(|p| assert!(*p > 0.0)).sum();
                    assert!((sum - 1.0).abs() < 1e-12, "order {order}: {sum}");
                    history = model.after(&history, token);
                }
            }
        }
    }

    #[test]
    fn a_cycle_is_learnt_by_the_order_it_needs() {
        // After 1 comes 2 or 3, depending on what was before.
        let cycle = [0, 1, 2, 4, 1, 3].repeat(200);
        let nats = |order| {
            let nll = KneserNey::fit(&cycle, order, 8, None).nll(&cycle);
            nll.iter().sum::<f64>() / nll.len() as f64
        };
        assert!(nats(3) < 0.05 && (0.2..0.4).contains(&nats(2)), "{} {}", nats(3), nats(2));
    }

    #[test]
    fn order_two_by_hand() {
        // After the start (0): bigrams 0 1, 1 1, 1 2, each once; one discount of 0.5.
        let model = KneserNey::fit(&[1, 1, 2], 2, 3, Some(0.5));
        // Unigrams count what precedes: 1 after {0, 1}, 2 after {1}.
        let unigram = |count: f64| (count - 0.5 + 0.5 * 2.0 / 3.0) / 3.0;
        let history = model.after(&model.start(), 1);
        let expected = (1.0 - 0.5 + 0.5 * 2.0 * unigram(2.0)) / 2.0;
        assert!((model.probability(&history, 1) - expected).abs() < 1e-12);
        let unseen = 0.5 * 2.0 * (0.5 * 2.0 / 3.0 / 3.0) / 2.0;
        assert!((model.probability(&history, 0) - unseen).abs() < 1e-12);
    }
}
