//! Whole runs: interrupted, resumed, evaluated, shown.

mod ema;
mod interruption;
mod messages;
mod perceptron;
mod resume;
mod streams;
mod tensorboard;
mod train_step;

#[test]
#[ignore = "the program that other tests start"]
fn child() {
    perceptron::child();
}
