//! A state dict as `torch.save` writes it, which `torch.load` reads, with `weights_only` too.

use std::io::{Cursor, Write};

use anyhow::Result;
use zip::write::FileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::tensor::RawTensor;

/// PyTorch maps tensors into memory, at multiples of this.
const ALIGNMENT: u16 = 64;

/// The bytes of a `.pt` file: an `OrderedDict` of tensors by name.
///
/// # Errors
/// If a name or tensor is too large for the format.
pub fn write<'a>(tensors: impl IntoIterator<Item = (&'a str, RawTensor)>) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut put = |name: &str, bytes: &[u8]| -> Result<()> {
        let options = FileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .large_file(bytes.len() > u32::MAX as usize);
        zip.start_file_aligned(format!("archive/{name}"), options, ALIGNMENT)?;
        Ok(zip.write_all(bytes)?)
    };
    let mut pickle = Pickle(b"\x80\x02".to_vec());
    pickle.empty_ordered_dict();
    pickle.0.push(b'(');
    let mut storages = Vec::new();
    for (number, (name, tensor)) in tensors.into_iter().enumerate() {
        pickle.text(name)?;
        pickle.tensor(number, &tensor)?;
        storages.push(tensor.bytes);
    }
    pickle.0.extend_from_slice(b"u.");
    put("data.pkl", &pickle.0)?;
    put("byteorder", b"little")?;
    for (number, bytes) in storages.iter().enumerate() {
        put(&format!("data/{number}"), bytes)?;
    }
    put("version", b"3\n")?;
    Ok(zip.finish()?.into_inner())
}

struct Pickle(Vec<u8>);

impl Pickle {
    fn global(&mut self, module: &str, name: &str) {
        self.0.extend_from_slice(format!("c{module}\n{name}\n").as_bytes());
    }

    fn empty_ordered_dict(&mut self) {
        self.global("collections", "OrderedDict");
        self.0.extend_from_slice(b")R");
    }

    fn text(&mut self, text: &str) -> Result<()> {
        self.0.push(b'X');
        self.0.extend_from_slice(&u32::try_from(text.len())?.to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn int(&mut self, number: usize) {
        match i32::try_from(number) {
            Ok(number) => {
                self.0.push(b'J');
                self.0.extend_from_slice(&number.to_le_bytes());
            }
            Err(_) => {
                self.0.extend_from_slice(&[0x8a, 9]); // LONG1, with a byte for the sign
                self.0.extend_from_slice(&(number as u64).to_le_bytes());
                self.0.push(0);
            }
        }
    }

    fn tuple(&mut self, numbers: &[usize]) {
        self.0.push(b'(');
        numbers.iter().for_each(|&number| self.int(number));
        self.0.push(b't');
    }

    /// `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`.
    fn tensor(&mut self, number: usize, tensor: &RawTensor) -> Result<()> {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.0.extend_from_slice(b"((");
        self.text("storage")?;
        self.global("torch", tensor.dtype.storage());
        self.text(&number.to_string())?;
        self.text("cpu")?;
        self.int(tensor.bytes.len() / tensor.dtype.size());
        self.0.extend_from_slice(b"tQ");
        self.int(0);
        self.tuple(&tensor.shape);
        let mut strides = vec![1; tensor.shape.len()];
        for dim in (1..strides.len()).rev() {
            strides[dim - 1] = strides[dim] * tensor.shape[dim].max(1);
        }
        self.tuple(&strides);
        self.0.push(0x89);
        self.empty_ordered_dict();
        self.0.extend_from_slice(b"tR");
        Ok(())
    }
}
