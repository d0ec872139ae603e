//! Rules of layers and layouts. That what comes out runs is shown by `tests/image`.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;

use super::layer::{File, Layer, digest_of};
use super::*;

fn layer(content: &str) -> Layer {
    Layer::of("some", &[File::folder("etc/"), File::text("etc/file", content)]).unwrap()
}

fn made(architecture: &'static str, content: &str) -> Made {
    let layers = vec![layer("below"), layer(content)];
    Made { architecture, layers, materials: format!("{{\"of\":\"{architecture}\"}}").into_bytes() }
}

/// The blobs of a layout, by digest.
fn blobs(layout: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(layout.join("blobs/sha256")).unwrap();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (format!("sha256:{name}"), std::fs::read(path).unwrap())
    };
    files.map(|file| read(file.unwrap().path())).collect()
}

/// All descriptors in a document: whatever has a digest and a size.
fn descriptors(value: &Value) -> Vec<&Value> {
    let below: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().flat_map(descriptors).collect(),
        Value::Array(elements) => elements.iter().flat_map(descriptors).collect(),
        _ => Vec::new(),
    };
    let own = value.get("digest").is_some().then_some(value);
    own.into_iter().chain(below).collect()
}

#[test]
fn a_folder_with_something_else_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    refuse_foreign(&folder.path().join("new")).unwrap();
    refuse_foreign(folder.path()).unwrap();
    std::fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    let refused = refuse_foreign(folder.path()).unwrap_err().to_string();
    assert!(
        refused.contains("holds no image layout") && refused.contains("name another folder"),
        "{refused}"
    );
    let ours = tempfile::tempdir().unwrap();
    write(ours.path(), "1", &[made("amd64", "a")]).unwrap();
    refuse_foreign(ours.path()).unwrap();
}

#[test]
fn another_content_makes_another_digest_and_the_same_the_same() {
    let digest = |content| {
        let folder = tempfile::tempdir().unwrap();
        let digest = write(folder.path(), "1", &[made("amd64", content)]).unwrap();
        (digest, blobs(&folder.path().join(LAYOUT)))
    };
    assert_ne!(digest("a").0, digest("b").0);
    assert_eq!(digest("a"), digest("a"));
}

#[test]
fn nothing_of_this_machine_is_in_a_layer() {
    let layer = layer("text");
    // No name, and no time (RFC 1952).
    assert_eq!(layer.compressed[3..8], [0, 0, 0, 0, 0]);
    let archive = flate2::read::GzDecoder::new(layer.compressed.as_slice());
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().unwrap() {
        let header = entry.unwrap().header().clone();
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0, 0, 0));
    }
}

#[test]
fn every_descriptor_leads_to_its_blob_and_no_blob_is_there_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let digest = write(folder.path(), "1.2", &[made("amd64", "a"), made("arm64", "b")]).unwrap();
    let layout = folder.path().join(LAYOUT);
    let blobs = blobs(&layout);
    let mut reached = BTreeSet::new();
    let mut open = vec![std::fs::read(layout.join("index.json")).unwrap()];
    while let Some(document) = open.pop() {
        let Ok(document) = serde_json::from_slice::<Value>(&document) else { continue };
        for descriptor in descriptors(&document) {
            let digest = descriptor["digest"].as_str().unwrap();
            let blob = blobs.get(digest).unwrap();
            assert_eq!(digest_of(blob), digest);
            assert_eq!(descriptor["size"], blob.len());
            if reached.insert(digest.to_owned()) {
                open.push(blob.clone());
            }
        }
    }
    assert_eq!(reached, blobs.keys().cloned().collect());
    assert!(reached.contains(&digest));
}

#[test]
fn the_index_names_one_image_of_all_architectures_and_a_bill_of_materials_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let digest = write(folder.path(), "1.2", &[made("amd64", "a"), made("arm64", "b")]).unwrap();
    let layout = folder.path().join(LAYOUT);
    let blobs = blobs(&layout);
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let index = json(&std::fs::read(layout.join("index.json")).unwrap());
    let manifests = index["manifests"].as_array().unwrap();
    assert_eq!(manifests[0]["digest"], digest);
    assert_eq!(manifests[0]["annotations"]["org.opencontainers.image.ref.name"], "1.2");
    let image = json(&blobs[&digest]);
    for (place, architecture) in ["amd64", "arm64"].into_iter().enumerate() {
        let of_one = &image["manifests"][place];
        assert_eq!(of_one["platform"], json!({ "os": "linux", "architecture": architecture }));
        let manifest = json(&blobs[of_one["digest"].as_str().unwrap()]);
        let config = json(&blobs[manifest["config"]["digest"].as_str().unwrap()]);
        assert_eq!(config["architecture"], architecture);
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);

        let listed = &manifests[place + 1];
        assert_eq!(listed["artifactType"], "application/vnd.cyclonedx+json");
        let referrer = json(&blobs[listed["digest"].as_str().unwrap()]);
        assert_eq!(referrer["subject"]["digest"], of_one["digest"]);
        let bill = &blobs[referrer["layers"][0]["digest"].as_str().unwrap()];
        assert_eq!(*bill, std::fs::read(folder.path().join(bill_name(architecture))).unwrap());
    }
}

#[test]
fn the_authorities_are_those_of_the_crate_as_text() {
    let base = root::base().unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(base.compressed.as_slice()));
    let mut text = String::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().ends_with("ca-certificates.crt") {
            std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        }
    }
    assert!(text.lines().all(|line| line.len() <= 64));
    let blocks: Vec<String> = text
        .split("-----BEGIN CERTIFICATE-----\n")
        .skip(1)
        .map(|block| block.split("-----END").next().unwrap().replace('\n', ""))
        .collect();
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let wanted: Vec<String> =
        webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|certificate| encode(certificate)).collect();
    assert!(wanted.len() > 100, "{}", wanted.len());
    assert_eq!(blocks, wanted);
}

#[test]
fn the_dockerfile_says_the_same_of_toolchain_user_and_entry_point() {
    let read = |name: &str| std::fs::read_to_string(crate::workspace::workspace_folder().join(name)).unwrap();
    let dockerfile = read("Dockerfile");
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")).unwrap();
    let runs = how_it_runs();
    for wanted in [
        format!("FROM rust:{}-", channel.trim_end_matches('"')),
        format!("USER {}", runs["User"].as_str().unwrap()),
        format!("ENTRYPOINT {}", runs["Entrypoint"]),
        format!("ENV {}", runs["Env"][0].as_str().unwrap()),
        format!("EXPOSE {PORT}"),
        "--codegen=target-feature=+crt-static".to_owned(),
    ] {
        assert!(dockerfile.contains(&wanted), "{wanted} is not in the Dockerfile");
    }
}
