//! Memory for tables that are read from beginning to end at every step, in pages as large as the
//! kernel has.
//!
//! A step reads some megabytes once each. In pages of 4 KiB the processor looks up where each of
//! them lies and its prefetching ends at each of them, which takes a quarter of the time of a single
//! sequence.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

/// A large page of common processors.
const PAGE: usize = 2 << 20;
/// Bytes of a block; only those pages are used that something is written to.
const BLOCK: usize = 4 * PAGE;
/// Tables begin at cache lines.
const LINE: usize = 64;

/// Keeps tables one after the other.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    block: Option<Arc<Block>>,
    /// Bytes of the block that are taken.
    taken: usize,
}

/// Numbers in an arena. Copies share them.
#[derive(Debug, Clone)]
pub(crate) struct Table<T> {
    block: Arc<Block>,
    /// In bytes.
    start: usize,
    len: usize,
    numbers: PhantomData<T>,
}

#[derive(Debug)]
struct Block {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: what a table covers is written before the table is made and never again; all else of a
// block belongs to its arena alone.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Arena {
    /// Copies `numbers` here.
    pub fn keep<T: Copy>(&mut self, numbers: &[T]) -> Table<T> {
        const { assert!(align_of::<T>() <= LINE) };
        let bytes = size_of_val(numbers);
        let capacity = self.block.as_ref().map_or(0, |block| block.layout.size());
        let start = self.taken.next_multiple_of(LINE);
        let (block, start) = match &self.block {
            Some(block) if start + bytes <= capacity => (block.clone(), start),
            _ => (Arc::new(Block::new(bytes)), 0),
        };
        // SAFETY: the block has room for as many bytes from `start` on, which no table covers, and
        // `start` is a multiple of T's alignment.
        unsafe {
            let to = block.start.add(start).cast::<T>();
            to.copy_from_nonoverlapping(NonNull::from(numbers).cast(), numbers.len());
        }
        self.taken = start + bytes;
        self.block = Some(block.clone());
        Table { block, start, len: numbers.len(), numbers: PhantomData }
    }
}

impl<T> Deref for Table<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `Arena::keep` has written as many numbers there, and the block lives on.
        unsafe {
            let start = self.block.start.add(self.start).cast::<T>();
            NonNull::slice_from_raw_parts(start, self.len).as_ref()
        }
    }
}

impl Block {
    /// A block of at least `bytes`.
    fn new(bytes: usize) -> Self {
        let size = bytes.max(BLOCK).next_multiple_of(PAGE);
        let layout = Layout::from_size_align(size, PAGE).expect("a slice's size fits");
        // SAFETY: the size is not 0.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        #[cfg(target_os = "linux")]
        // SAFETY: the pages are the block's own. A kernel without large ones returns an error, and
        // nothing changes.
        unsafe {
            libc::madvise(start.as_ptr().cast(), size, libc::MADV_HUGEPAGE);
        }
        Self { start, layout }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: `new` has allocated it so.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{IntLanes, Lanes, WIDTH};

    #[test]
    fn tables_stay_what_they_are_and_begin_at_cache_lines() {
        let mut arena = Arena::default();
        let lanes = |first: usize, len: usize| -> Vec<Lanes> {
            (first..first + len).map(|i| Lanes([i as f32; WIDTH])).collect()
        };
        // The last two are more than is left of a block, and more than a block.
        let sizes = [3, 0, 1, 100_000, 60_000, 200_000];
        let tables = sizes.map(|len| (arena.keep(&lanes(len, len)), arena.keep(&[len as u8; 3])));
        let integers = arena.keep(&[IntLanes([7; WIDTH]); 3]);
        drop(arena);
        let copy = tables[4].0.clone();
        for ((table, bytes), len) in tables.iter().zip(sizes) {
            assert_eq!(table[..], lanes(len, len));
            assert_eq!(bytes[..], [len as u8; 3]);
            assert_eq!(table.as_ptr() as usize % LINE, 0);
        }
        drop(tables);
        assert_eq!(copy[..], lanes(60_000, 60_000));
        assert_eq!(integers[2], IntLanes([7; WIDTH]));
    }
}
