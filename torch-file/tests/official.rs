//! Files of the official code, whole and damaged.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::Value as Json;
use torch_file::{Dtype, Node, TensorView, TorchFile};

/// Those of `S4_FIXTURES`, or else the few of `parity/fixtures`.
fn folder() -> PathBuf {
    let all = std::env::var_os("S4_FIXTURES").map(PathBuf::from);
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../parity/fixtures");
    all.unwrap_or_else(|| own.into()).join("checkpoints")
}

fn descriptions() -> Vec<Json> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|suffix| suffix == "json"));
    let all: Vec<Json> =
        json.map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect();
    assert!(!all.is_empty());
    all
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap()
}

fn state_dict<'a>(file: &'a TorchFile, json: &Json) -> HashMap<String, TensorView> {
    let keys = json["state_dict_at"].as_array().unwrap().iter();
    let dict = keys.fold(file.object(), |node, key| node.get(key.as_str().unwrap()).unwrap());
    let tensor = |(name, value): (Node<'a>, Node<'a>)| {
        Some((name.text()?.to_owned(), value.tensor()?.clone()))
    };
    dict.items().filter_map(tensor).collect()
}

#[test]
fn parity_every_tensor_is_the_same_bit_for_bit() {
    for json in descriptions() {
        let name = text(&json, "file");
        let mut file = TorchFile::open(&folder().join(name)).unwrap();
        let tensors = state_dict(&file, &json);
        let bytes = fs::read(folder().join(text(&json["io"], "file"))).unwrap();
        let expected = SafeTensors::deserialize(&bytes).unwrap();
        let listed = json["tensors"].as_array().unwrap();
        assert_eq!(tensors.len(), listed.len(), "{name}");
        for tensor in listed {
            let own = text(tensor, "name");
            let read = file.read(&tensors[own]).unwrap();
            let expected = expected.tensor(&format!("sd/{own}")).unwrap();
            assert_eq!(read.bytes, expected.data(), "{name}: {own}");
            let shape: Vec<usize> = serde_json::from_value(tensor["shape"].clone()).unwrap();
            assert_eq!(read.shape, shape, "{name}: {own}");
            assert_eq!(format!("{:?}", read.dtype).to_uppercase(), text(tensor, "dtype"));
        }
    }
}

#[test]
fn parity_hyper_parameters_are_those_of_the_run() {
    for json in
        descriptions().iter().filter(|json| !json["top_level"]["hyper_parameters"].is_null())
    {
        let file = TorchFile::open(&folder().join(text(json, "file"))).unwrap();
        let own = file.object().get("hyper_parameters").unwrap().config().unwrap();
        assert_eq!(own, json["hyper_parameters"], "{}", json["file"]);
        let step = file.object().get("global_step").and_then(Node::int);
        assert_eq!(step, json["global_step"].as_i64(), "{}", json["file"]);
    }
}

#[test]
fn parity_hostile_files_are_refused_or_read_without_harm() {
    let hostile = folder().join("hostile");
    let index: Json =
        serde_json::from_slice(&fs::read(hostile.join("index.json")).unwrap()).unwrap();
    for entry in index["files"].as_array().unwrap() {
        let (name, group, expect) =
            (text(entry, "file"), text(entry, "group"), text(entry, "expect"));
        let path = hostile.join(name);
        if !path.exists() {
            continue; // A part of them is enough where there is little room.
        }
        let read = read_all(&path);
        match group {
            // Whether they make sense is not for this crate to say.
            "well-formed but wrong" | "malicious" => {}
            _ if expect.contains("or ") => {}
            _ => assert!(read.is_err(), "{name} was read: {expect}"),
        }
    }
    let started = Path::new("PWNED");
    assert!(!started.exists());
}

/// Opens a file and reads whatever tensors it has.
fn read_all(path: &Path) -> anyhow::Result<usize> {
    let mut file = TorchFile::open(path)?;
    let mut tensors = Vec::new();
    for node in [Some(file.object()), file.object().get("state_dict")].into_iter().flatten() {
        tensors.extend(node.items().filter_map(|(_, value)| value.tensor().cloned()));
        let _ = node.config();
    }
    tensors.iter().try_for_each(|tensor| file.read(tensor).map(drop))?;
    Ok(tensors.len())
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pt");
    for json in descriptions() {
        let mut file = TorchFile::open(&self::folder().join(text(&json, "file"))).unwrap();
        let tensors = state_dict(&file, &json);
        let raw: Vec<_> =
            tensors.iter().map(|(name, view)| (name.as_str(), file.read(view).unwrap())).collect();
        fs::write(&path, torch_file::write(raw.clone()).unwrap()).unwrap();
        let mut again = TorchFile::open(&path).unwrap();
        let views: Vec<_> = again
            .object()
            .items()
            .map(|(name, value)| (name.text().unwrap().to_owned(), value.tensor().unwrap().clone()))
            .collect();
        assert_eq!(views.len(), raw.len());
        for ((name, view), (own, tensor)) in views.iter().zip(&raw) {
            assert_eq!((name.as_str(), &again.read(view).unwrap()), (*own, tensor));
        }
    }
}

/// Small files, to be damaged.
fn small() -> Vec<Vec<u8>> {
    let files = descriptions().into_iter().map(|json| folder().join(text(&json, "file")));
    let bytes = files.map(|path| fs::read(path).unwrap());
    bytes.filter(|bytes| bytes.len() < 120_000).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damage_is_an_error_and_no_more(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let small = small();
        let mut bytes = file.get(&small).clone();
        for (at, value) in changes {
            // More often where the structure is: at the beginning and the end.
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.pt");
        fs::write(&path, bytes).unwrap();
        let _ = read_all(&path);
    }

    /// Pickles themselves, which a checksum would else protect.
    #[test]
    fn any_pickle_ends(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let small = small();
        let bytes = file.get(&small);
        let start = bytes.windows(2).position(|pair| pair == [0x80, 2]).unwrap_or(0);
        let mut pickle = bytes[start..].to_vec();
        for (at, value) in changes {
            let at = at.index(pickle.len().min(30_000));
            pickle[at] = value;
        }
        if let Some(cut) = cut {
            pickle.truncate(cut.index(pickle.len().min(30_000)));
        }
        // The form without ZIP has no checksum.
        let mut damaged = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec();
        damaged.extend_from_slice(b"\x80\x02M\xe9\x03.\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.");
        damaged.extend(pickle);
        damaged.extend_from_slice(b"\x80\x02].");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.pt");
        fs::write(&path, damaged).unwrap();
        let _ = read_all(&path);
    }
}

#[test]
fn sizes_of_kinds() {
    assert_eq!([Dtype::F32, Dtype::C128, Dtype::Bool].map(Dtype::size), [4, 16, 1]);
}
