//! Series without what is asked of them.

use datasets::batch::{Example, Sequences};
use datasets::shape::Target;
use datasets::split::Split;
use datasets::tasks::Splits;

/// Windows without their last steps, where these are to be told: there is nothing in them to be hidden.
/// Other examples are left as they are.
pub(crate) fn known(splits: Splits) -> Splits {
    let Target::Series(series) = &splits.shape.target else { return splits };
    let Some(past) = series.past else { return splits };
    let cut = |split: &Split| {
        split.transform(move |_, mut example: Example| {
            for sequence in &mut example.sequences {
                if let Sequences::Values { values, features } = sequence {
                    values.truncate(past.context * *features);
                }
            }
            Ok(example)
        })
    };
    let (train, val, test) = (cut(&splits.train), cut(&splits.val), cut(&splits.test));
    Splits { train, val, test, ..splits }
}
