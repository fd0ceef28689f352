//! Panics of models and data sets as errors.
//!
//! Much of tch panics where libtorch refuses, out of memory included. A run should end with one
//! message then, not with a page of mangled C++ names.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use anyhow::{Result, anyhow};

thread_local! {
    /// Whether this thread turns its panics into errors.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// `f()`, with a panic in it turned into an error that begins with `what`. Nothing is printed.
///
/// # Errors
/// Those of `f`, and its panic.
pub fn as_errors<T>(what: &str, f: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(f).unwrap_or_else(|panic| Err(anyhow!("{what} panicked: {panic}")))
}

/// `f()`, or the message of the panic that ended it. Nothing is printed.
///
/// # Errors
/// If `f` panics.
pub fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CAUGHT.get() {
                default(info);
            }
        }));
    });
    let outer = CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    CAUGHT.set(outer);
    result.map_err(|payload| message(&*payload).to_owned())
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    // `unwrap` shows libtorch's error in its debug form: the line breaks are escaped.
    text.split("\\nException raised from").next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_one_line() {
        let refused = || -> Result<()> { panic!("no matmul\\nException raised from\\nframe #0") };
        let error = as_errors("the model", refused).unwrap_err().to_string();
        assert_eq!(error, "the model panicked: no matmul");
    }

    #[test]
    fn results_pass_through() {
        assert_eq!(as_errors("it", || Ok(1)).unwrap(), 1);
        let error = as_errors::<()>("it", || Err(anyhow!("no"))).unwrap_err();
        assert_eq!(error.to_string(), "no");
    }
}
