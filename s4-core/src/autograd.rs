//! Operations with a backward pass of their own.
//!
//! Autograd differentiates a chain of tensor operations one by one, and keeps what each of them
//! needs. Where the derivative of the whole is known, it is often cheaper: the transpose of a
//! convolution is a convolution. [`attach`] gives a result that was computed without a graph such a
//! derivative.

use std::ffi::{CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Result, ensure};
use tch::Tensor;
use torch_sys::C_tensor;

use crate::native::message::check;

/// Gradients in the order of the tensors that they belong to; `None` is zero.
pub type Gradients = Vec<Option<Tensor>>;

type Closure = dyn Fn(&[Option<Tensor>]) -> Result<Gradients> + Send;

/// Makes `outputs`, which were computed from `inputs` without gradients, differentiable:
/// `backward` maps the gradients of the outputs, at least one of which is there, to those of the inputs. It
/// runs without gradients, at most once unless the graph is kept, and may run on another thread; whatever it owns is freed
/// with the graph.
///
/// Without gradients, or where no input wants one, the outputs stay as they are.
///
/// # Errors
/// If an output has a graph already.
pub fn attach<F>(inputs: &[&Tensor], outputs: &[&Tensor], backward: F) -> Result<()>
where
    F: Fn(&[Option<Tensor>]) -> Result<Gradients> + Send + 'static,
{
    if !is_wanted(inputs) {
        return Ok(());
    }
    ensure!(outputs.iter().all(|y| !y.requires_grad()), "an output has a gradient already");
    let boxed: Box<Node> = Box::new(Node {
        backward: Box::new(backward),
        outputs: outputs.len(),
        inputs: inputs.len(),
    });
    let pointers = |tensors: &[&Tensor]| tensors.iter().map(|t| t.as_ptr()).collect::<Vec<_>>();
    let (from, to) = (pointers(inputs), pointers(outputs));
    // SAFETY: the pointers are those of live tensors; the node is taken over and dropped once.
    unsafe {
        check(s4_autograd_attach(
            from.as_ptr(),
            from.len(),
            to.as_ptr(),
            to.len(),
            Box::into_raw(boxed).cast(),
            run,
            release,
        ))
    }
}

/// Adds to the leaves' gradients what follows from those `of_outputs`, without a loss.
///
/// # Errors
/// Those of the backward pass.
pub fn back_propagate(outputs: &[&Tensor], of_outputs: &[Option<Tensor>]) -> Result<()> {
    // A scalar whose gradients with respect to the outputs are the given ones.
    let root = Tensor::zeros([], (outputs[0].kind(), outputs[0].device()));
    let copies = |of: &[Option<Tensor>]| -> Gradients {
        of.iter().map(|g| g.as_ref().map(Tensor::shallow_clone)).collect()
    };
    let given = copies(of_outputs);
    attach(outputs, &[&root], move |_| Ok(copies(&given)))?;
    if root.requires_grad() {
        root.f_backward()?;
    }
    Ok(())
}

/// Whether an operation on `inputs` is to be differentiable.
pub fn is_wanted(inputs: &[&Tensor]) -> bool {
    inputs.iter().any(|x| x.requires_grad()) && gradients_are_on()
}

fn gradients_are_on() -> bool {
    // Setting the mode is the only way to learn it.
    // SAFETY: a flag of this thread, which is as before afterwards.
    unsafe {
        let before = torch_sys::at_grad_set_enabled(0);
        torch_sys::at_grad_set_enabled(before);
        before != 0
    }
}

/// Puts `gradient` in the place of that of a leaf; `None` takes it away, so that the next backward
/// pass need not add to it.
pub fn set_gradient(leaf: &Tensor, gradient: Option<&Tensor>) {
    let gradient = gradient.map_or(std::ptr::null(), Tensor::as_ptr);
    // SAFETY: live tensors; libtorch counts the references.
    unsafe { s4_autograd_set_gradient(leaf.as_ptr().cast_mut(), gradient) }
}

struct Node {
    backward: Box<Closure>,
    outputs: usize,
    inputs: usize,
}

unsafe extern "C" {
    fn s4_autograd_attach(
        inputs: *const *const C_tensor,
        input_count: usize,
        outputs: *const *const C_tensor,
        output_count: usize,
        closure: *mut c_void,
        backward: unsafe extern "C" fn(
            *mut c_void,
            *mut *mut C_tensor,
            *mut *mut C_tensor,
        ) -> *mut c_char,
        drop: unsafe extern "C" fn(*mut c_void),
    ) -> *mut c_char;
    fn s4_autograd_set_gradient(leaf: *mut C_tensor, gradient: *const C_tensor);
    fn strdup(text: *const c_char) -> *mut c_char;
}

unsafe extern "C" fn run(
    node: *mut c_void,
    of_outputs: *mut *mut C_tensor,
    of_inputs: *mut *mut C_tensor,
) -> *mut c_char {
    // SAFETY: `node` is the box that `attach` gave away, the arrays have its numbers of entries.
    let (node, given, found) = unsafe {
        let node = &*node.cast::<Node>();
        (
            node,
            std::slice::from_raw_parts(of_outputs, node.outputs),
            std::slice::from_raw_parts_mut(of_inputs, node.inputs),
        )
    };
    // An unwinding panic must not reach C++.
    let result = catch_unwind(AssertUnwindSafe(|| -> Result<()> {
        let gradients: Vec<_> = given
            .iter()
            // SAFETY: not null, so a tensor, which is borrowed for the call.
            .map(|&g| (!g.is_null()).then(|| unsafe { Tensor::clone_from_ptr(g) }))
            .collect();
        // Linear: without any gradient of the outputs, none of the inputs has one.
        if gradients.iter().all(Option::is_none) {
            return Ok(());
        }
        let gradients = (node.backward)(&gradients)?;
        ensure!(
            gradients.len() == found.len(),
            "{} gradients for {} inputs",
            gradients.len(),
            found.len()
        );
        for (slot, gradient) in found.iter_mut().zip(&gradients) {
            if let Some(gradient) = gradient {
                // SAFETY: the clone belongs to the caller.
                *slot = unsafe { torch_sys::at_shallow_clone(gradient.as_ptr().cast_mut()) };
            }
        }
        Ok(())
    }));
    let message = match result {
        Ok(Ok(())) => return std::ptr::null_mut(),
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => panic_message(panic.as_ref()),
    };
    let text = CString::new(message.replace('\0', " ")).unwrap_or_default();
    // SAFETY: a C string; the caller frees the copy.
    unsafe { strdup(text.as_ptr()) }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

unsafe extern "C" fn release(node: *mut c_void) {
    // SAFETY: called once for the box that `attach` gave away.
    drop(unsafe { Box::from_raw(node.cast::<Node>()) });
}

#[cfg(test)]
mod tests {
    use anyhow::bail;
    use tch::Kind;

    use super::*;

    fn input() -> Tensor {
        Tensor::from_slice(&[1.0, 2.0, 3.0]).set_requires_grad(true)
    }

    /// x² and 5x, with one's derivative as given.
    fn operation(
        x: &Tensor,
        derivative: impl Fn(&Tensor) -> Result<Tensor> + Send + 'static,
    ) -> (Tensor, Tensor) {
        let saved = x.detach();
        let (square, multiple) = (saved.square(), &saved * 5.0);
        attach(&[x], &[&square, &multiple], move |g| {
            let mut sum = saved.zeros_like();
            if let Some(g) = &g[0] {
                sum += derivative(&saved)? * g;
            }
            if let Some(g) = &g[1] {
                sum += g * 5.0;
            }
            Ok(vec![Some(sum)])
        })
        .unwrap();
        (square, multiple)
    }

    #[test]
    fn gradients_are_the_closure_s() {
        let x = input();
        let (square, multiple) = operation(&x, |x| Ok(x * 2.0));
        (square + &multiple).sum(Kind::Double).backward();
        assert_eq!(x.grad(), Tensor::from_slice(&[7.0, 9.0, 11.0]));
    }

    #[test]
    fn an_output_without_a_gradient_has_none() {
        let x = input();
        let (square, _) = operation(&x, |x| Ok(x * 2.0));
        square.sum(Kind::Double).backward();
        assert_eq!(x.grad(), Tensor::from_slice(&[2.0, 4.0, 6.0]));
    }

    #[test]
    fn zero_gradients_are_passed_on_without_the_closure() {
        let x = input();
        let (square, _) = operation(&x, |_| bail!("not asked for"));
        let behind = square.detach();
        attach(&[&square], &[&behind], |_| Ok(vec![None])).unwrap();
        behind.sum(Kind::Double).backward();
        assert!(!x.grad().defined());
    }

    #[test]
    fn without_gradients_nothing_is_attached() {
        let x = input();
        let _guard = tch::no_grad_guard();
        assert!(!operation(&x, |x| Ok(x * 2.0)).0.requires_grad());
        drop(_guard);
        assert!(!operation(&x.detach(), |x| Ok(x * 2.0)).0.requires_grad());
        assert!(operation(&x, |x| Ok(x * 2.0)).0.requires_grad());
    }

    #[test]
    fn errors_and_panics_become_errors_of_the_backward_pass() {
        let x = input();
        let (y, _) = operation(&x, |_| bail!("no derivative today"));
        let error = y.sum(Kind::Double).f_backward().unwrap_err().to_string();
        assert!(error.contains("no derivative today"), "{error}");
        let (y, _) = operation(&x, |_| panic!("out of order"));
        let error = y.sum(Kind::Double).f_backward().unwrap_err().to_string();
        assert!(error.contains("out of order"), "{error}");
    }

    #[test]
    fn saved_tensors_are_freed_with_the_graph() {
        let owned = std::sync::Arc::new(());
        let x = input();
        let y = x.detach().square();
        let held = owned.clone();
        attach(&[&x], &[&y], move |_| {
            let _ = &held;
            Ok(vec![None])
        })
        .unwrap();
        let sum = y.sum(Kind::Double);
        assert_eq!(std::sync::Arc::strong_count(&owned), 2);
        sum.backward();
        assert_eq!(std::sync::Arc::strong_count(&owned), 1);
        let error = sum.f_backward().unwrap_err().to_string();
        assert!(error.contains("twice") || error.contains("second time"), "{error}");
    }
}
