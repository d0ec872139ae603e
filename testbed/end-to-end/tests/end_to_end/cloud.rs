//! A cloud in trouble: nothing that was published is lost, it is said, and all is well again without a restart.

use std::time::{Duration, Instant};

use acr_end_to_end::{ACME, PARTNER, RunOptions, Served};
use acr_simulator::{CutMoment, Fault, FaultEffect, Matcher, Product};

use crate::scene::{ACME_BY_KEY, PARTNER_BY_KEY, Scene};

const LOGIN: &str = "GetAuthorizationToken";
const ENDPOINTS: &str = "ListInstanceEndpoint";
/// Makes every login due three seconds after it was handed out.
const SOON: [(&str, &str); 1] = [("expiring-threshold", "59m57s")];

/// Serves one namespace with [`ACME`].
async fn served(scene: &mut Scene<'_>) -> (String, Served) {
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    let served = scene.served_with_acme(&space).await;
    (space, served)
}

/// Waits until the Secret has the login that was handed out last. None may be handed out any more meanwhile.
async fn newest(scene: &Scene<'_>, space: &str) -> Served {
    let is_login = |call: &&acr_simulator::CallRecord| {
        call.action == LOGIN && call.code == "OK" && call.status == Some(200)
    };
    let last = scene.stage.cloud().cloud().calls().filter(is_login).map(|call| call.time).max().unwrap();
    scene
        .until("the newest login is published", async || {
            let served = scene.served_now(space).await?;
            let lives = served.expires?.as_second() - last.as_second();
            (3599..=3601).contains(&lives).then_some(served)
        })
        .await
}

#[tokio::test]
async fn attaching_does_not_wait_for_the_cloud() {
    let mut scene = Scene::begin("dark").await;
    let space = scene.create_space("shop").await;
    for action in [LOGIN, ENDPOINTS] {
        scene.disturb(action, FaultEffect::Cut(CutMoment::Before));
    }
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.attached(&space, "default").await;
    let finding = scene.finding("NoAnswer").await;
    assert!(finding.contains(LOGIN) || finding.contains(ENDPOINTS), "{finding}");
    assert!(scene.served_now(&space).await.is_none_or(|served| served.hosts.is_empty()));
    scene.calm();
    scene.served_with_acme(&space).await;
    scene.mended("NoAnswer").await;
    scene.end().await;
}

#[tokio::test]
async fn a_cloud_that_cannot_be_reached_at_all_is_said_with_what_to_check() {
    let mut scene = Scene::begin("closed").await;
    let space = scene.create_space("shop").await;
    // Nobody listens on port 1.
    let nowhere = "- {product: cr, url: \"http://127.0.0.1:1\"}\n";
    let entry = format!("{ACME_BY_KEY}  regionId: cn-hangzhou\n");
    scene.configure(&entry, &[&space], &[("endpoints", nowhere)]).await;
    scene.run().await;
    let finding = scene.finding("Unreachable").await;
    assert!(finding.contains("127.0.0.1:1") && finding.contains("network policy"), "{finding}");
    scene.attached(&space, "default").await;
    scene.configure(&entry, &[&space], &[]).await;
    scene.served_with_acme(&space).await;
    scene.mended("Unreachable").await;
    scene.end().await;
}

#[tokio::test]
async fn a_throttled_cloud_is_left_in_peace_and_other_entries_go_on() {
    let mut scene = Scene::begin("throttled").await;
    let space = scene.create_space("shop").await;
    let throttle = FaultEffect::Throttle {
        code: "Throttling.User".to_owned(),
        time_left: Some(1500),
        headers: [].into(),
    };
    let matcher = acr_simulator::Matcher {
        action: Some(LOGIN.to_owned()),
        instance: Some(ACME.id.to_owned()),
        ..Default::default()
    };
    let fault = acr_simulator::Fault { matcher, times: None, effect: throttle };
    scene.stage.cloud().cloud().add_fault(fault);
    scene.configure(&format!("{ACME_BY_KEY}{PARTNER_BY_KEY}"), &[&space], &[]).await;
    scene.run().await;
    let finding = scene.finding("Throttled").await;
    assert!(finding.contains("Throttling.User"), "{finding}");
    scene.served(&space, PARTNER.hosts).await;
    let throttled = || -> Vec<jiff::Timestamp> {
        let cloud = scene.stage.cloud().cloud();
        cloud.calls().filter(|call| call.code == "Throttling.User").map(|call| call.time).collect()
    };
    scene.until("it is asked again", async || (throttled().len() >= 2).then_some(())).await;
    scene.calm();
    for calls in throttled().windows(2) {
        let pause = calls[1].duration_since(calls[0]);
        assert!(pause.as_millis() >= 1500, "asked again after {pause}");
    }
    let mut hosts: Vec<&str> = ACME.hosts.iter().chain(PARTNER.hosts).copied().collect();
    hosts.sort_unstable();
    scene.served(&space, &hosts).await;
    scene.mended("Throttled").await;
    // Those that were throttled, one that was not, one for the partner.
    assert_eq!(scene.logins(), throttled().len() + 2);
    scene.end().await;
}

#[tokio::test]
async fn a_slow_cloud_is_waited_for() {
    let mut scene = Scene::begin("slow").await;
    for action in [LOGIN, ENDPOINTS] {
        scene.disturb(action, FaultEffect::Delay { milliseconds: 2000 });
    }
    let (_, _) = served(&mut scene).await;
    assert_eq!(scene.logins(), 1);
    scene.end().await;
}

#[tokio::test]
async fn a_region_that_answers_in_ten_seconds_delays_nobody_elses_entry_and_is_served_as_well() {
    let mut scene = Scene::begin("sluggish").await;
    let slow = Duration::from_secs(10);
    let matcher = Matcher { region: Some(PARTNER.region.to_owned()), ..Matcher::default() };
    let effect = FaultEffect::Delay { milliseconds: 10_000 };
    scene.stage.cloud().cloud().add_fault(Fault { matcher, times: None, effect });
    // More entries of that region than there are slots, and all of them before the other one.
    let unknown = |number| PARTNER_BY_KEY.replace(PARTNER.id, &format!("cri-{number:016}"));
    let many: String = (0..6).map(unknown).collect();
    let space = scene.create_space("shop").await;
    scene.configure(&format!("{many}{PARTNER_BY_KEY}{ACME_BY_KEY}"), &[&space], &[]).await;
    scene.run().await;
    let begun = Instant::now();
    scene.served_with_acme(&space).await;
    assert!(begun.elapsed() < slow, "it was served after {:?}", begun.elapsed());
    let mut hosts: Vec<&str> = ACME.hosts.iter().chain(PARTNER.hosts).copied().collect();
    hosts.sort_unstable();
    scene.served(&space, &hosts).await;
    assert!(begun.elapsed() >= slow);
    scene.end().await;
}

#[tokio::test]
async fn a_failing_cloud_takes_nothing_away_and_is_used_again_when_it_works() {
    let mut scene = Scene::begin("failing").await;
    let (space, _) = served(&mut scene).await;
    let error = |status, code: &str| FaultEffect::Error {
        status,
        code: code.to_owned(),
        message: Some("Something is broken.".to_owned()),
        headers: [].into(),
    };
    let troubles: [(&str, FaultEffect); 5] = [
        ("Server", error(500, "SystemError")),
        ("Server", FaultEffect::IsSuccessFalse { code: "SYSTEM_ERROR".to_owned() }),
        ("Malformed", FaultEffect::Garbage { status: 200, body: "<html>login page</html>".to_owned() }),
        ("NoAnswer", FaultEffect::Cut(CutMoment::After)),
        ("Denied", error(403, "NoPrivilege")),
    ];
    for (code, trouble) in troubles {
        scene.disturb(LOGIN, trouble.clone());
        let last = newest(&scene, &space).await;
        scene.configure(ACME_BY_KEY, &[&space], &SOON).await;
        let findings = scene
            .until(&format!("{trouble:?} is said as {code}"), async || {
                let findings = scene.findings().await;
                findings.iter().any(|(_, found, _)| found == code).then_some(findings)
            })
            .await;
        assert!(findings.iter().all(|(_, _, message)| !message.contains("<html>")), "{findings:?}");
        assert_eq!(scene.served_now(&space).await.as_ref(), Some(&last), "{trouble:?} took something away");
        scene.calm();
        scene.mended(code).await;
        scene
            .until("a new login", async || scene.served_now(&space).await.filter(|served| *served != last))
            .await;
    }
    scene.end().await;
}

#[tokio::test]
async fn an_absurd_expiry_is_a_failure_of_the_call_and_changes_nothing() {
    let mut scene = Scene::begin("absurd").await;
    let space = scene.create_space("shop").await;
    let absurd = [
        FaultEffect::ExpireIn { seconds: -60 },
        FaultEffect::ExpireIn { seconds: 40 * 3600 },
        FaultEffect::ExpireTime { milliseconds: 0 },
        // Seconds where milliseconds are meant.
        FaultEffect::ExpireTime { milliseconds: jiff::Timestamp::now().as_second() },
        FaultEffect::ExpireTime { milliseconds: i64::MAX },
        FaultEffect::ExpireTime { milliseconds: i64::MIN },
    ];
    scene.disturb(LOGIN, absurd[0].clone());
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    let finding = scene.finding("Malformed").await;
    assert!(finding.contains("ExpireTime"), "{finding}");
    assert!(scene.served_now(&space).await.is_none_or(|served| served.hosts.is_empty()));
    scene.calm();
    scene.served_with_acme(&space).await;
    scene.mended("Malformed").await;
    for expiry in &absurd[1..] {
        let cut = scene.disturb(LOGIN, FaultEffect::Cut(CutMoment::Before));
        let last = newest(&scene, &space).await;
        scene.disturb(LOGIN, expiry.clone());
        scene.stage.cloud().cloud().clear_fault(cut);
        scene.configure(ACME_BY_KEY, &[&space], &SOON).await;
        scene.finding("Malformed").await;
        assert_eq!(scene.served_now(&space).await.as_ref(), Some(&last), "{expiry:?}");
        scene.calm();
        scene.mended("Malformed").await;
        scene
            .until("a new login", async || scene.served_now(&space).await.filter(|served| *served != last))
            .await;
    }
    scene.end().await;
}

#[tokio::test]
async fn logins_that_live_shorter_than_the_threshold_are_renewed_at_half_their_life() {
    let mut scene = Scene::begin("short").await;
    let space = scene.create_space("shop").await;
    scene.disturb(LOGIN, FaultEffect::ExpireIn { seconds: 20 });
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    let mut last = scene.served_with_acme(&space).await;
    scene.finding("ThresholdTooLong").await;
    let mut lives = Vec::new();
    // On a busy machine a renewal may come late, but never all of them, and none comes early.
    while !lives.iter().any(|lives| *lives <= 14) {
        assert!(lives.len() < 10, "seconds between renewals: {lives:?}");
        let next = scene
            .until("a new login", async || scene.served_now(&space).await.filter(|served| *served != last))
            .await;
        lives.push(next.expires.unwrap().as_second() - last.expires.unwrap().as_second());
        assert!(lives.iter().all(|lives| *lives >= 7), "seconds between renewals: {lives:?}");
        last = next;
    }
    scene.end().await;
}

#[tokio::test]
async fn a_rotation_is_one_login_and_one_wave_and_writes_no_account() {
    let mut scene = Scene::begin("rotate").await;
    let spaces =
        [scene.create_space("a").await, scene.create_space("b").await, scene.create_space("c").await];
    let names: Vec<&str> = spaces.iter().map(String::as_str).collect();
    // The first login alone is due soon, so that there is one rotation however long the rest takes.
    let matcher = acr_simulator::Matcher { action: Some(LOGIN.to_owned()), ..Default::default() };
    let effect = FaultEffect::ExpireIn { seconds: 30 };
    scene.stage.cloud().cloud().add_fault(acr_simulator::Fault { matcher, times: Some(1), effect });
    scene.configure(ACME_BY_KEY, &names, &[]).await;
    scene.run().await;
    for space in &names {
        scene.attached(space, "default").await;
        let later = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(30);
        scene
            .until("the second login", async || {
                scene.served_now(space).await.filter(|served| served.expires.is_some_and(|end| end > later))
            })
            .await;
    }
    assert_eq!(scene.logins(), 2);
    let is_write =
        |event: &acr_testbed::AuditEvent| event.verb == "patch" && names.contains(&event.namespace.as_str());
    scene.audited(0, 9, is_write).await;
    let events = scene.stage.requests().unwrap();
    let writes = |resource: &str| {
        let ours = events.iter().filter(|event| {
            event.resource == resource && event.verb == "patch" && names.contains(&event.namespace.as_str())
        });
        ours.count()
    };
    // One wave for each login, and one for the lists.
    assert_eq!((writes("secrets"), writes("serviceaccounts")), (6, 3));
    scene.end().await;
}

#[tokio::test]
async fn a_clock_that_is_off_is_corrected_by_the_clouds_own() {
    let mut scene = Scene::begin("clock").await;
    for action in [LOGIN, ENDPOINTS] {
        scene.disturb(action, FaultEffect::ClockSkew { seconds: 3000 });
    }
    let (_, _) = served(&mut scene).await;
    assert!(scene.logins() >= 1);
    assert!(scene.cloud_calls(Product::Cr, LOGIN) <= 3);
    scene.end().await;
}

#[tokio::test]
async fn a_proxy_for_the_cloud_is_none_for_the_api_server() {
    let mut scene = Scene::begin("proxy").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    // Nobody listens on port 1; the simulated cloud is called by http://.
    let environment = vec![("HTTPS_PROXY".to_owned(), "http://127.0.0.1:1".to_owned())];
    scene.run_with(&RunOptions { environment, ..RunOptions::default() }).await;
    scene.served_with_acme(&space).await;
    scene.end().await;
}
