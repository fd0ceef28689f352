//! What was recorded does the same again. Alone in its process: nothing may be allocated on the device
//! beside a recording.

use s4_core::graph::Graph;
use tch::{Device, Kind, Tensor};

#[test]
fn without_cuda_there_is_nothing_to_record() {
    let error = Graph::record(Device::Cpu, || Ok(())).unwrap_err().to_string();
    assert!(error.contains("only work on a CUDA device"), "{error}");
    if parity::device() == Device::Cpu {
        assert!(Graph::record(Device::Cuda(0), || Ok(())).is_err());
    }
}

#[test]
fn a_replay_reads_its_inputs_anew() {
    let device = parity::device();
    if device == Device::Cpu {
        return;
    }
    let mut x = Tensor::ones([4], (Kind::Float, device));
    let mut w = Tensor::full([4], 2.0, (Kind::Float, device)).set_requires_grad(true);
    let (graph, y) = Graph::record(device, || {
        w.zero_grad();
        let y = (&w * &x).sum(Kind::Float);
        y.f_backward()?;
        Ok(y.detach())
    })
    .unwrap();
    let _ = x.fill_(3.0);
    graph.replay().unwrap();
    assert_eq!(y.double_value(&[]), 24.0);
    assert_eq!(Vec::<f32>::try_from(w.grad()).unwrap(), [3.0; 4]);
}
