//! libtorch's stable C ABI: how operators that tch does not bind are called.
//!
//! libtorch 2.10 and later export a C interface to their dispatcher that stays compatible across
//! versions (`torch/csrc/stable/c/shim.h` and `torch/csrc/inductor/aoti_torch/c/shim.h`). Its
//! functions are looked up in the running process rather than linked: a libtorch without them must
//! cost speed, not the program.
//!
//! An operator takes and returns a stack of 64-bit words. Numbers are stored in place; a tensor is
//! an owned `at::Tensor*`, a list an owned vector of words. The callee takes what is on the stack,
//! and gives what it returns.

use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;

use anyhow::{Result, anyhow, bail, ensure};
use tch::Tensor;
use torch_sys::C_tensor;

/// `StableIValue`: a number, or a pointer, in 64 bits.
type Word = u64;
/// `AtenTensorHandle`: an `at::Tensor*`, the same that tch calls `C_tensor*`.
type TensorHandle = *mut c_void;
/// `StableListHandle`: a `std::vector<StableIValue>*`.
type ListHandle = *mut c_void;
/// `AOTITorchError`: 0 is success.
type Status = i32;

/// The version whose calling conventions this file follows (`TORCH_ABI_VERSION` of 2.11.0).
const BUILD_VERSION: u64 = version(2, 11);
/// The first version that exports the list functions.
const OLDEST_VERSION: u64 = version(2, 10);

const fn version(major: u64, minor: u64) -> u64 {
    (major << 56) | (minor << 48)
}

/// An argument of an operator.
#[derive(Debug, Clone, Copy)]
pub enum Arg<'a> {
    /// `Tensor[]`
    Tensors(&'a [&'a Tensor]),
    /// `Tensor`
    Tensor(&'a Tensor),
    /// `float`
    Float(f64),
    /// `bool`
    Bool(bool),
    /// An optional argument that is not given.
    Nothing,
}

/// The functions of the C ABI in this process.
pub struct Dispatcher {
    call: unsafe extern "C" fn(*const c_char, *const c_char, *mut Word, u64) -> Status,
    new_list: unsafe extern "C" fn(usize, *mut ListHandle) -> Status,
    list_push: unsafe extern "C" fn(ListHandle, Word) -> Status,
    list_size: unsafe extern "C" fn(ListHandle, *mut usize) -> Status,
    list_get: unsafe extern "C" fn(ListHandle, usize, *mut Word) -> Status,
    delete_list: unsafe extern "C" fn(ListHandle) -> Status,
    new_tensor: unsafe extern "C" fn(TensorHandle, *mut TensorHandle) -> Status,
}

/// The dispatcher of the libtorch in this process.
///
/// # Errors
/// If this libtorch has no stable C ABI, or the platform no way to look it up.
pub fn dispatcher() -> Result<&'static Dispatcher> {
    static DISPATCHER: OnceLock<Result<Dispatcher>> = OnceLock::new();
    DISPATCHER.get_or_init(Dispatcher::look_up).as_ref().map_err(|e| anyhow!("{e:#}"))
}

impl Dispatcher {
    #[cfg(unix)]
    fn look_up() -> Result<Self> {
        use libloading::os::unix::Library;

        /// The symbol `name` as the function type `T`.
        ///
        /// # Safety
        /// `T` must be the type of the function in the C headers.
        unsafe fn symbol<T: Copy>(process: &Library, name: &str) -> Result<T> {
            // SAFETY: as required of the caller.
            match unsafe { process.get::<T>(name) } {
                Ok(function) => Ok(*function),
                Err(_) => bail!("this libtorch does not export {name} (2.10 and later do)"),
            }
        }

        // libtorch_cpu is among the libraries that this program was linked with, and stays for as
        // long as the program runs, so the functions outlive the handle they were found through.
        let process = Library::this();
        // SAFETY: the types are those of the two headers named above.
        unsafe {
            let abi_version: unsafe extern "C" fn() -> u64 =
                symbol(&process, "aoti_torch_abi_version")?;
            let found = abi_version();
            ensure!(
                found >= OLDEST_VERSION,
                "libtorch {}.{} is too old for the stable C ABI (2.10 and later have it)",
                found >> 56,
                (found >> 48) & 0xff
            );
            Ok(Self {
                call: symbol(&process, "torch_call_dispatcher")?,
                new_list: symbol(&process, "torch_new_list_reserve_size")?,
                list_push: symbol(&process, "torch_list_push_back")?,
                list_size: symbol(&process, "torch_list_size")?,
                list_get: symbol(&process, "torch_list_get_item")?,
                delete_list: symbol(&process, "torch_delete_list")?,
                new_tensor: symbol(&process, "aoti_torch_new_tensor_handle")?,
            })
        }
    }

    #[cfg(not(unix))]
    fn look_up() -> Result<Self> {
        bail!("looking up libtorch's C functions is implemented for Unix only")
    }

    /// Calls an operator that returns nothing.
    ///
    /// # Safety
    /// `args` must have the number, order and types of the operator's schema, optional arguments
    /// included, and the operator must return nothing.
    ///
    /// # Errors
    /// If libtorch refuses; its own message goes to standard error.
    pub unsafe fn call(&self, op: &CStr, overload: &CStr, args: &[Arg]) -> Result<()> {
        let mut stack = self.stack(args)?;
        // SAFETY: as required of the caller; an operator without results leaves the stack alone.
        unsafe { self.run(op, overload, &mut stack) }
    }

    /// Calls an operator that returns one list of tensors.
    ///
    /// # Safety
    /// As for [`Dispatcher::call`], but the operator must return `Tensor[]`.
    ///
    /// # Errors
    /// If libtorch refuses; its own message goes to standard error.
    pub unsafe fn call_for_tensors(
        &self,
        op: &CStr,
        overload: &CStr,
        args: &[Arg],
    ) -> Result<Vec<Tensor>> {
        let mut stack = self.stack(args)?;
        // SAFETY: as required of the caller.
        unsafe { self.run(op, overload, &mut stack)? };
        let list = stack[0] as ListHandle;
        let mut size = 0;
        // SAFETY: the first word of the stack now is the returned list, which is ours.
        check("torch_list_size", unsafe { (self.list_size)(list, &mut size) })?;
        let tensors = (0..size)
            .map(|i| {
                let mut word = 0;
                // SAFETY: i is within the list.
                check("torch_list_get_item", unsafe { (self.list_get)(list, i, &mut word) })?;
                // SAFETY: an element of a returned list is a heap-allocated at::Tensor that is
                // ours; tch's Tensor frees it as such.
                Ok(unsafe { Tensor::from_ptr(word as *mut C_tensor) })
            })
            .collect();
        // SAFETY: the list is ours; this frees the vector and not what its words point to.
        check("torch_delete_list", unsafe { (self.delete_list)(list) })?;
        tensors
    }

    /// # Safety
    /// `stack` must hold the operator's arguments.
    unsafe fn run(&self, op: &CStr, overload: &CStr, stack: &mut [Word]) -> Result<()> {
        debug_assert!(!stack.is_empty());
        // SAFETY: both names end in NUL; the stack is as required and has room for one result.
        // The callee now owns every handle on it. It frees them also when the operator fails.
        let status = unsafe {
            (self.call)(op.as_ptr(), overload.as_ptr(), stack.as_mut_ptr(), BUILD_VERSION)
        };
        if status != 0 {
            bail!(
                "libtorch refused {}: see its message above (an operator that this device lacks, \
                 or tensors of unequal kind or device)",
                op.to_string_lossy()
            );
        }
        Ok(())
    }

    /// The arguments as words. What they point to is owned by the stack.
    fn stack(&self, args: &[Arg]) -> Result<Vec<Word>> {
        args.iter()
            .map(|arg| {
                Ok(match arg {
                    Arg::Tensors(tensors) => self.list(tensors)? as Word,
                    Arg::Tensor(tensor) => self.tensor(tensor)? as Word,
                    Arg::Float(value) => value.to_bits(),
                    Arg::Bool(value) => Word::from(*value),
                    Arg::Nothing => 0,
                })
            })
            .collect()
    }

    /// A new owned list of new owned handles. Failing here means that memory ran out, so the error
    /// path does not free what was built so far.
    fn list(&self, tensors: &[&Tensor]) -> Result<ListHandle> {
        let mut list = std::ptr::null_mut();
        // SAFETY: `list` is a valid place for the result.
        let status = unsafe { (self.new_list)(tensors.len(), &mut list) };
        check("torch_new_list_reserve_size", status)?;
        for tensor in tensors {
            let handle = self.tensor(tensor)?;
            // SAFETY: `list` was made above; it takes the handle.
            let status = unsafe { (self.list_push)(list, handle as Word) };
            check("torch_list_push_back", status)?;
        }
        Ok(list)
    }

    /// A new owned handle of the same tensor.
    fn tensor(&self, tensor: &Tensor) -> Result<TensorHandle> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: tch's C_tensor* is the at::Tensor* that the ABI calls AtenTensorHandle; the
        // original is only read.
        let status = unsafe { (self.new_tensor)(tensor.as_ptr().cast_mut().cast(), &mut handle) };
        check("aoti_torch_new_tensor_handle", status)?;
        Ok(handle)
    }
}

fn check(function: &str, status: Status) -> Result<()> {
    ensure!(status == 0, "{function} failed: see libtorch's message above");
    Ok(())
}
