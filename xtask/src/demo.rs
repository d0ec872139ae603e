//! `cargo xtask demo`: private images become pullable, before the eyes of whoever tries it.

mod cast;
mod table;

use std::time::Duration;

use acr_end_to_end::{ACME, Component, Images, PARTNER, PULL_SECRET, Program, RunOptions, Stage};
use acr_testbed::{ControlPlane, ControlPlaneOptions, Progress, PushedImage, Tools};

use crate::Outcome;
use crate::output::output;
use crate::show::{Result, headline, print_environment, say, until_interrupted};
use cast::{ACCOUNTS, NAMESPACES, REPOSITORY, TAG};
use table::Table;

/// How long anything that the demo shows may take. It takes a second or two.
const PATIENCE: Duration = Duration::from_mins(2);
/// Time between two looks at the cluster for the table.
const LOOK: Duration = Duration::from_millis(200);

/// Watch private images become pullable: a real control plane and registry, a simulated Alibaba Cloud
///
/// What is missing is built first, which takes some minutes once and needs Go. Everything runs on loopback, as an
/// ordinary user, in a folder that goes away at the end.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// End after the proof: exit code 0, or another with what failed
    #[arg(long)]
    once: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Outcome {
    until_interrupted(Box::pin(show(arguments.once)), arguments.once).await
}

async fn show(once: bool) -> Result {
    let program = Program::ensure().await?;
    let tools = Tools::ensure(Progress::Stderr).await?;

    headline("A real control plane: etcd, API server, controller manager");
    let control_plane = ControlPlane::start(&tools, ControlPlaneOptions::default()).await?;
    say(&format!("{}, the default ServiceAccounts are made by the controllers", control_plane.url()));

    headline("A simulated Alibaba Cloud, and a real registry for each of its two instances");
    let stage = Stage::set(&control_plane, "kube-system").await?;
    let acme = Images::serve(&tools, &stage, ACME).await?;
    let partner = Images::serve(&tools, &stage, PARTNER).await?;
    let image = acme.push(&stage, REPOSITORY, TAG).await?;
    partner.push(&stage, REPOSITORY, TAG).await?;
    for (instance, images) in [(ACME, &acme), (PARTNER, &partner)] {
        let name = cast::reference(&instance);
        say(&format!("{}: pushed the private image {name} (at {})", instance.id, images.address()));
    }

    headline("The component, with the rights of deploy/rbac.yaml and no others");
    cast::configure(&stage, None).await?;
    cast::print_configuration();
    let mut component = Component::start(&tools, &program, &stage, &RunOptions::default())?;
    component.ready().await?;
    say(&format!("runs as a process of its own; its log is {}", component.log_path().display()));

    headline("New namespaces and ServiceAccounts");
    let mut table = Table::begin(&stage);
    for namespace in NAMESPACES {
        stage.create_namespace(namespace, &[]).await?;
        for account in ACCOUNTS {
            stage.create_account(namespace, account).await?;
        }
    }
    table
        .watch(
            "every ServiceAccount is attached, and every namespace has its Secret",
            &mut component,
            |rows| {
                rows.len() == NAMESPACES.len() * (ACCOUNTS.len() + 1)
                    && rows.iter().all(table::Row::is_served)
            },
        )
        .await?;

    say(&format!("The Secret of each namespace is {PULL_SECRET}. It has logins for"));
    for host in table.hosts() {
        say(&format!("  {host}"));
    }

    headline("The proof, by the public name of the registry, which leads to loopback here");
    prove(&stage, &acme, &image).await?;
    prove_partner(&stage, &partner).await?;

    headline("A rotation");
    table.move_on();
    rotate(&stage, &acme, &mut component, &mut table).await?;

    headline(if once {
        "Without --once the cluster stays, to try this in another terminal"
    } else {
        "Try it in another terminal"
    });
    print_ways_to_try(&control_plane, &tools)?;
    if once {
        headline("Everything held true");
        return Ok(());
    }
    output!("\nThe table is kept up to date until Ctrl-C.\n");
    table.move_on();
    loop {
        table.look(&mut component).await?;
        control_plane.check_alive()?;
        tokio::time::sleep(LOOK).await;
    }
}

/// An anonymous pull is refused, and one with the namespace's Secret works.
async fn prove(stage: &Stage<'_>, images: &Images, pushed: &PushedImage) -> Result {
    let name = cast::reference(&ACME);
    let anonymous = images.pull(ACME.public_host, REPOSITORY, TAG, None).await?;
    match anonymous {
        Err(refused) if matches!(refused.status(), Some(401 | 403)) => {
            say(&format!("without a login: {refused}"));
        }
        Err(other) => {
            return Err(format!("an anonymous pull should be refused, and failed otherwise: {other}").into());
        }
        Ok(_) => return Err(format!("an anonymous pull of the private image {name} worked").into()),
    }
    for namespace in NAMESPACES {
        let login = cast::login(stage, namespace, &ACME).await?;
        let pulled = images.pull(ACME.public_host, REPOSITORY, TAG, Some(&login)).await??;
        if pulled.digest.as_str() != pushed.manifest_digest {
            return Err(format!("pulled {}, pushed {}", pulled.digest, pushed.manifest_digest).into());
        }
        say(&format!(
            "with the Secret of namespace {namespace}: manifest {} and {} blobs, {} bytes, digests verified",
            &pushed.manifest_digest.chars().take(19).collect::<String>(),
            pulled.blobs.len(),
            pulled.blob_bytes,
        ));
    }
    Ok(())
}

/// The second instance has an identity of its own, in another region.
async fn prove_partner(stage: &Stage<'_>, images: &Images) -> Result {
    let login = cast::login(stage, cast::SHOP, &PARTNER).await?;
    images.pull(PARTNER.public_host, REPOSITORY, TAG, Some(&login)).await??;
    say(&format!("with the same Secret, by another identity: {}", cast::reference(&PARTNER)));
    Ok(())
}

/// An edit of the configuration makes the logins due, and new ones take their place everywhere.
async fn rotate(
    stage: &Stage<'_>,
    images: &Images,
    component: &mut Component,
    table: &mut Table<'_>,
) -> Result {
    let soon = cast::SOON;
    say("Logins live for an hour and are renewed a quarter of an hour before they end. To see it now, the");
    say(&format!("configuration is edited while the component runs: `expiring-threshold: {soon}`."));
    let former = cast::login(stage, cast::SHOP, &ACME).await?;
    let (before, accounts) = (table.latest_expiry(), table.versions());
    cast::configure(stage, Some(soon)).await?;
    let newer = |rows: &[table::Row]| rows.iter().all(|row| row.expires > before);
    table.watch("every namespace has a Secret with new logins", component, newer).await?;
    // As it was: one renewal is enough to look at.
    cast::configure(stage, None).await?;
    let login = cast::login(stage, cast::SHOP, &ACME).await?;
    if cast::is_same(&former, &login) {
        return Err("the Secret was written anew with the former login".into());
    }
    images.pull(ACME.public_host, REPOSITORY, TAG, Some(&login)).await??;
    if table.versions() != accounts {
        return Err("a rotation has written ServiceAccounts".into());
    }
    say("New logins stand in every namespace, and they pull. No ServiceAccount was written.");
    Ok(())
}

fn print_ways_to_try(control_plane: &ControlPlane, tools: &Tools) -> Result {
    print_environment(control_plane, tools)?;
    output!("kubectl create namespace {}", cast::SPARE);
    output!("kubectl --namespace {} get serviceaccount default --output yaml", cast::SPARE);
    output!("kubectl --namespace {} get secret {PULL_SECRET} --output yaml", cast::SHOP);
    output!("kubectl --namespace kube-system edit configmap acr-configuration");
    output!("kubectl --namespace kube-system get events");
    Ok(())
}
