//! The metadata service in both modes.

use super::*;

#[test]
fn the_role_of_a_node_is_asked_for_in_hardened_mode() {
    let mut conversation = worker_role();
    let request = sent(&mut conversation);
    assert_eq!(request.method(), "PUT");
    assert_eq!(request.uri(), "http://100.100.100.200/latest/api/token");
    assert!(request.headers().contains_key("x-aliyun-ecs-metadata-token-ttl-seconds"));
    conversation.receive(Ok(answer(200, "node-token\n")));
    for path in ["", "KubernetesWorkerRole-1"] {
        let request = sent(&mut conversation);
        let roles = "http://100.100.100.200/latest/meta-data/ram/security-credentials/";
        assert_eq!(request.method(), "GET");
        assert_eq!(request.uri().to_string(), format!("{roles}{path}"));
        assert_eq!(request.headers()["x-aliyun-ecs-metadata-token"], "node-token");
        let body = if path.is_empty() { "KubernetesWorkerRole-1\n".to_owned() } else { role_body("Success") };
        conversation.receive(Ok(answer(200, body)));
    }
    let request = sent(&mut conversation);
    assert_eq!(request.uri(), "http://100.100.100.200/latest/meta-data/owner-account-id");
    assert_eq!(request.headers()["x-aliyun-ecs-metadata-token"], "node-token");
    conversation.receive(Ok(answer(200, "1280000000009011\n")));
    let Ok(Reply::Credentials { principal, expires, .. }) = outcome(&mut conversation) else {
        panic!("no role")
    };
    assert_eq!(principal, "acs:ram::1280000000009011:role/KubernetesWorkerRole-1");
    assert_eq!(expires, NOW.plus_millis(6 * 3_600_000));
}

#[test]
fn without_hardened_mode_the_same_is_asked_without_a_token() {
    for status in [403, 404] {
        let mut conversation = worker_role();
        sent(&mut conversation);
        conversation.receive(Ok(answer(status, "<html>no</html>")));
        let request = sent(&mut conversation);
        assert_eq!(request.method(), "GET");
        assert!(!request.headers().contains_key("x-aliyun-ecs-metadata-token"));
        conversation.receive(Ok(answer(200, "role")));
        assert!(!sent(&mut conversation).headers().contains_key("x-aliyun-ecs-metadata-token"));
        conversation.receive(Ok(answer(200, role_body("Success"))));
        assert!(!sent(&mut conversation).headers().contains_key("x-aliyun-ecs-metadata-token"));
        conversation.receive(Ok(answer(200, "1280000000009011")));
        assert!(outcome(&mut conversation).is_ok());
    }
}

#[test]
fn a_role_whose_account_is_not_told_is_good_all_the_same() {
    let cut = || Err(TransportFailure::Cut("reset".to_owned()));
    for account in [Ok(answer(404, "")), Ok(answer(200, "<html>")), Err(TransportFailure::TimedOut), cut()] {
        let mut conversation = worker_role();
        conversation.receive(Ok(answer(404, "")));
        conversation.receive(Ok(answer(200, "role")));
        conversation.receive(Ok(answer(200, role_body("Success"))));
        conversation.receive(account);
        let Ok(Reply::Credentials { principal, .. }) = outcome(&mut conversation) else { panic!("no role") };
        assert_eq!(principal, "role");
    }
}

#[test]
fn other_refusals_of_a_token_end_the_call() {
    for (status, body, kind) in [
        (400, "", FailureKind::InvalidRequest),
        (500, "", FailureKind::Server),
        (200, "", FailureKind::Malformed),
        (200, "two words", FailureKind::Malformed),
    ] {
        let failure = answered(worker_role(), status, body).unwrap_err();
        assert_eq!(failure.kind, kind, "{status} {body}");
    }
}

#[test]
fn a_node_without_a_role_is_not_found_and_says_so() {
    for (status, body) in [(404, "<html>404</html>"), (200, "\n")] {
        let mut conversation = worker_role();
        conversation.receive(Ok(answer(200, "node-token")));
        conversation.receive(Ok(answer(status, body)));
        let failure = outcome(&mut conversation).unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFound);
        assert!(failure.message.starts_with("this node has no RAM role"), "{failure}");
    }
}

#[test]
fn a_role_document_must_say_success_and_a_role_name_must_be_one() {
    let mut conversation = worker_role();
    conversation.receive(Ok(answer(404, "")));
    conversation.receive(Ok(answer(200, "role")));
    conversation.receive(Ok(answer(200, role_body("AssumeRoleFailed"))));
    let failure = outcome(&mut conversation).unwrap_err();
    assert_eq!((failure.kind, failure.code.as_deref()), (FailureKind::Server, Some("AssumeRoleFailed")));

    for name in ["../../../evil", "a/b", "<html>", "a b"] {
        let mut conversation = worker_role();
        conversation.receive(Ok(answer(404, "")));
        conversation.receive(Ok(answer(200, name)));
        assert_eq!(outcome(&mut conversation).unwrap_err().kind, FailureKind::Malformed, "{name}");
    }
}

#[test]
fn a_region_is_a_name_and_nothing_else() {
    for (body, region) in [("cn-hangzhou\n", Some("cn-hangzhou")), ("<html>login</html>", None), ("", None)] {
        let mut conversation = Conversation::new(Call::Region { endpoints: urls(&["http://m"]) });
        conversation.receive(Ok(answer(403, "")));
        conversation.receive(Ok(answer(200, body)));
        match outcome(&mut conversation) {
            Ok(Reply::Region(found)) => assert_eq!(Some(found.as_str()), region),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => assert_eq!((failure.kind, region), (FailureKind::Malformed, None)),
        }
    }
}
