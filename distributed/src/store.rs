//! c10d's key-value store, at which processes find each other.

use std::ffi::{CString, c_char, c_void};
use std::ptr::NonNull;
use std::time::Duration;

use anyhow::{Context, Result};
use s4_core::message::check;

/// A connection to the store, which one of the processes serves.
#[derive(Debug)]
pub struct Store(NonNull<c_void>);

// SAFETY: libtorch's store may be used by several threads.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

/// Who serves a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// This process, on a socket (its file descriptor) that is bound to the store's address.
    Here(i32),
    /// Another process.
    Elsewhere,
}

impl Store {
    /// The store at `host:port`. Keys begin with `prefix`, so that what came before under another one
    /// is out of sight.
    ///
    /// # Errors
    /// If it cannot be served, or is not reached within `timeout`.
    pub fn open(
        host: &str,
        port: u16,
        server: Server,
        prefix: &str,
        timeout: Duration,
    ) -> Result<Self> {
        let (serves, listener) = match server {
            Server::Here(socket) => (true, socket),
            Server::Elsewhere => (false, -1),
        };
        let (c_host, prefix) = (CString::new(host)?, CString::new(prefix)?);
        let mut store = std::ptr::null_mut();
        // SAFETY: C strings, and a place for the result.
        unsafe {
            check(s4_store_new(
                c_host.as_ptr(),
                port,
                serves,
                listener,
                timeout.as_millis() as i64,
                prefix.as_ptr(),
                &mut store,
            ))
        }
        .with_context(|| {
            format!("the store at {host}:{port} is not reached; is rank 0 running there?")
        })?;
        Ok(Self(NonNull::new(store).context("no store came out")?))
    }

    /// The same store, where keys begin with `prefix` too.
    ///
    /// # Errors
    /// If `prefix` has a zero byte.
    pub fn under(&self, prefix: &str) -> Result<Self> {
        let prefix = CString::new(prefix)?;
        let mut under = std::ptr::null_mut();
        // SAFETY: a live store, a C string, and a place for the result.
        unsafe { check(s4_store_under(self.0.as_ptr(), prefix.as_ptr(), &mut under)) }?;
        Ok(Self(NonNull::new(under).context("no store came out")?))
    }

    /// Sets `key`.
    ///
    /// # Errors
    /// If the store is gone.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        let key = CString::new(key)?;
        // SAFETY: a live store, a C string, and bytes with their number.
        unsafe { check(s4_store_set(self.0.as_ptr(), key.as_ptr(), value.as_ptr(), value.len())) }
    }

    /// Adds to the number at `key`, which begins with 0, and returns the sum.
    ///
    /// # Errors
    /// If the store is gone.
    pub fn add(&self, key: &str, amount: i64) -> Result<i64> {
        let key = CString::new(key)?;
        let mut sum = 0;
        // SAFETY: a live store, a C string, and a place for the result.
        unsafe { check(s4_store_add(self.0.as_ptr(), key.as_ptr(), amount, &mut sum)) }?;
        Ok(sum)
    }

    /// The value of `key`, if it is set.
    ///
    /// # Errors
    /// If the store is gone.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let key = CString::new(key)?;
        let (mut has, mut value) = (false, Vec::new());
        // SAFETY: a live store, a C string, and places for the results.
        unsafe {
            check(s4_store_has(self.0.as_ptr(), key.as_ptr(), &mut has))?;
            if has {
                let place: *mut Vec<u8> = &mut value;
                check(s4_store_get(self.0.as_ptr(), key.as_ptr(), place.cast(), take))?;
            }
        }
        Ok(has.then_some(value))
    }

    pub(crate) fn pointer(&self) -> *mut c_void {
        self.0.as_ptr()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: a live store, not used again.
        unsafe { s4_store_delete(self.0.as_ptr()) };
    }
}

unsafe extern "C" fn take(place: *mut c_void, data: *const u8, size: usize) {
    if size > 0 {
        // SAFETY: the place that `get` gave away, and bytes with their number.
        unsafe {
            let value = &mut *place.cast::<Vec<u8>>();
            value.extend_from_slice(std::slice::from_raw_parts(data, size));
        }
    }
}

unsafe extern "C" {
    fn s4_store_new(
        host: *const c_char,
        port: u16,
        serves: bool,
        listener: i32,
        timeout: i64,
        prefix: *const c_char,
        store: *mut *mut c_void,
    ) -> *mut c_char;
    fn s4_store_under(
        store: *mut c_void,
        prefix: *const c_char,
        under: *mut *mut c_void,
    ) -> *mut c_char;
    fn s4_store_set(
        store: *mut c_void,
        key: *const c_char,
        data: *const u8,
        size: usize,
    ) -> *mut c_char;
    fn s4_store_add(
        store: *mut c_void,
        key: *const c_char,
        amount: i64,
        sum: *mut i64,
    ) -> *mut c_char;
    fn s4_store_has(store: *mut c_void, key: *const c_char, has: *mut bool) -> *mut c_char;
    fn s4_store_get(
        store: *mut c_void,
        key: *const c_char,
        place: *mut c_void,
        take: unsafe extern "C" fn(*mut c_void, *const u8, usize),
    ) -> *mut c_char;
    fn s4_store_delete(store: *mut c_void);
}
