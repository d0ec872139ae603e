//! `cargo xtask image`: the image of the component as an OCI layout, made without a container daemon.

mod error;
mod layer;
mod layout;
mod materials;
mod program;
mod root;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::Outcome;
use crate::output::output;
use error::Error;
use layout::{Image, Layout};
use materials::Materials;

/// The most that the compressed layers of an architecture may have, in bytes: what a node fetches on a bad day.
const LIMIT: u64 = 15_000_000;
/// The profile of what is shipped. Images of other profiles are for tests, and may have any size.
const SHIPPED: &str = "release";
/// The folder of the layout, below the one of the output.
const LAYOUT: &str = "oci";
/// The port of health, metrics and status.
const PORT: &str = "8080/tcp";

/// Make the image of the component: an OCI layout with its bill of materials, without a container daemon
///
/// The program is static: the image has no C library, no shell, and the authorities of Mozilla. Equal sources and an
/// equal toolchain make equal digests. See docs/image.md.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder for the layout and the bill of materials; what an earlier run has left there is replaced
    ///
    /// Default: target/image.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// A target of rustc, such as aarch64-unknown-linux-gnu; several make one image of several architectures
    ///
    /// Default: this machine's.
    #[arg(long = "target", value_name = "TRIPLE")]
    targets: Vec<String>,
    /// The name of the image in the layout
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// The profile of cargo; any other than release makes an image for tests, of any size
    #[arg(long, default_value = SHIPPED)]
    profile: String,
}

#[expect(clippy::unused_async, reason = "all commands are run in the same way")]
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    make(&arguments)?;
    Ok(ExitCode::SUCCESS)
}

/// What was made for one architecture.
struct Made {
    architecture: &'static str,
    layers: Vec<layer::Layer>,
    materials: Vec<u8>,
}

fn make(arguments: &Arguments) -> Result<(), Error> {
    let host = program::host()?;
    let targets = if arguments.targets.is_empty() { vec![host.clone()] } else { arguments.targets.clone() };
    let output = arguments.output.clone().unwrap_or_else(|| crate::workspace::target_folder().join("image"));
    // Before minutes of building.
    refuse_foreign(&output)?;
    let mut made = Vec::<Made>::new();
    for target in &targets {
        let one = make_for(target, &host, &arguments.profile)?;
        if made.iter().any(|other| other.architecture == one.architecture) {
            return Err(Error::Twice(one.architecture));
        }
        made.push(one);
    }
    output!("==> layout");
    let digest = write(&output, &arguments.tag, &made)?;
    for one in &made {
        let bytes = size(&one.layers);
        let each: Vec<String> = one
            .layers
            .iter()
            .map(|layer| format!("{} {}", layer.title, megabytes(layer.compressed.len())))
            .collect();
        output!(
            "    linux/{}: {} compressed ({}), at most {}",
            one.architecture,
            megabytes(usize::try_from(bytes).unwrap_or(usize::MAX)),
            each.join(", "),
            megabytes(usize::try_from(LIMIT).unwrap_or(usize::MAX)),
        );
        if arguments.profile == SHIPPED && bytes > LIMIT {
            return Err(Error::TooLarge { architecture: one.architecture, bytes, limit: LIMIT });
        }
    }
    let layout = output.join(LAYOUT);
    output!("    {digest}");
    output!("\n{} is the image, tag {}. To push it:", layout.display(), arguments.tag);
    output!(
        "    skopeo copy --all oci:{}:{tag} docker://REGISTRY/acr-credential-helper:{tag}",
        layout.display(),
        tag = arguments.tag
    );
    Ok(())
}

fn make_for(target: &str, host: &str, profile: &str) -> Result<Made, Error> {
    output!("==> program for {target}, profile {profile}");
    let built = program::build(target, host, profile)?;
    output!("==> bill of materials");
    let used = Materials::of(target, &built.packages)?;
    let bill = used.bill(&materials::toolchain(target, host))?;
    output!("    {} packages are linked in", used.packages().count());
    let licences = materials::licences(&used)?;
    output!("==> layers");
    let pack = Error::file("pack", Path::new("the layers"));
    let layers = root::base().and_then(|base| Ok(vec![base, root::program(built.bytes, licences)?]));
    Ok(Made { architecture: built.architecture, layers: layers.map_err(pack)?, materials: bill })
}

/// Writes layout and bills of materials; gives the digest of the image.
fn write(output: &Path, tag: &str, made: &[Made]) -> Result<String, Error> {
    let folder = output.join(LAYOUT);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(Error::file("remove", &folder))?;
    }
    std::fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
    let mut layout = Layout::default();
    for Made { architecture, layers, materials } in made {
        layout.add(&Image { architecture, run: how_it_runs(), layers, materials });
        let path = output.join(bill_name(architecture));
        std::fs::write(&path, materials).map_err(Error::file("write", &path))?;
    }
    layout.write(&folder, tag)
}

/// The name of the bill of materials beside the layout.
fn bill_name(architecture: &str) -> String {
    format!("acr-credential-helper_linux_{architecture}.cdx.json")
}

/// The `config` of the image configuration (OCI Image Format Specification, config.md).
fn how_it_runs() -> Value {
    json!({
        "User": format!("{0}:{0}", root::USER),
        "WorkingDir": "/",
        "Env": ["PATH=/usr/bin"],
        "Entrypoint": [format!("/{}", root::PROGRAM)],
        "ExposedPorts": { PORT: {} },
        "Labels": {
            "org.opencontainers.image.title": "acr-credential-helper",
            "org.opencontainers.image.description":
                "Lets workloads pull from Alibaba Cloud Container Registry without a password in the cluster",
            "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            "org.opencontainers.image.licenses": "Apache-2.0",
        },
    })
}

/// A folder with something else in it may be anybody's.
fn refuse_foreign(output: &Path) -> Result<(), Error> {
    let Ok(mut entries) = std::fs::read_dir(output) else { return Ok(()) };
    if entries.next().is_none() || output.join(LAYOUT).join("oci-layout").is_file() {
        return Ok(());
    }
    Err(Error::Occupied { path: output.to_owned() })
}

fn size(layers: &[layer::Layer]) -> u64 {
    layers.iter().map(|layer| u64::try_from(layer.compressed.len()).unwrap_or(u64::MAX)).sum()
}

/// A size in words, in millions of bytes with one digit.
fn megabytes(bytes: usize) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests;
