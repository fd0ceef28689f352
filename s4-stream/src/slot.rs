//! A place where one thread leaves something for another.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Holds one thing at most. Nothing is allocated whoever waits, while a channel of the standard
/// library sets up a list when a thread first waits at it.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    content: Mutex<Content<T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Content<T> {
    Nothing,
    Thing(T),
    Closed,
}

/// How often a thread looks before it sleeps: to be woken takes longer than a small model's step. With as
/// many looks, 60 microseconds between two steps, in which codes are chosen, are no reason to sleep.
const LOOKS: usize = 256;

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Self { content: Mutex::new(Content::Nothing), changed: Condvar::new() }
    }

    /// Leaves `thing`, unless the slot is closed. What was not taken yet is replaced.
    pub(crate) fn put(&self, thing: T) {
        let mut content = self.lock();
        if !matches!(*content, Content::Closed) {
            *content = Content::Thing(thing);
        }
        drop(content);
        self.changed.notify_one();
    }

    /// Waits for something; nothing comes any more if the slot is closed.
    pub(crate) fn take(&self) -> Option<T> {
        for _ in 0..LOOKS {
            let mut content = self.lock();
            if !matches!(*content, Content::Nothing) {
                return content.take();
            }
            drop(content);
            thread::yield_now();
        }
        let waiting = |content: &mut Content<T>| matches!(content, Content::Nothing);
        let content = self.changed.wait_while(self.lock(), waiting);
        content.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends it for both sides.
    pub(crate) fn close(&self) {
        *self.lock() = Content::Closed;
        self.changed.notify_all();
    }

    /// Whoever panicked held no half-written content.
    fn lock(&self) -> MutexGuard<'_, Content<T>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Content<T> {
    fn take(&mut self) -> Option<T> {
        match std::mem::replace(self, Self::Nothing) {
            Self::Thing(thing) => Some(thing),
            Self::Nothing => None,
            Self::Closed => {
                *self = Self::Closed;
                None
            }
        }
    }
}
