//! Steps allocate nothing, on any of the threads. Alone: the allocator that counts is the whole
//! program's.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use s4_stream::Model;
use support::Shape;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is passed to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The only test of this program: others would allocate beside it.
#[test]
fn steps_allocate_nothing() {
    let shape = Shape { pool: Some(vec![2, 3]), d_model: 24, n_layers: 2, d_state: 8, levels: 18 };
    let models = [(shape.config(), shape.weights(0)), support::looking_back(), support::clusters()];
    let models = models.into_iter().chain(support::baselines());
    let models: Vec<_> =
        models.map(|(config, weights)| Model::new(&config, &weights).unwrap()).collect();
    for (model, threads) in models.iter().flat_map(|model| [(model, 1), (model, 2)]) {
        let mut engine = model.engine_on(5, threads).unwrap();
        let mut step = |i: u32| {
            let logits = engine.step(&[0, 1, 2, 3, i % 16]).unwrap();
            assert!(logits.iter().all(|logit| logit.is_finite()));
        };
        // A thread sets up what is its own when it first runs.
        step(0);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        (0..1000).for_each(&mut step);
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "{threads} threads");
    }
}
