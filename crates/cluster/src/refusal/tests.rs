//! Recorded answers of API servers (v1.36.3 where nothing else is said), and what each means.

use bytes::Bytes;
use http::StatusCode;

use super::*;

fn refused(asked: Asked, status: u16, body: &'static str) -> Refusal {
    let received = Received {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: None,
        body: Bytes::from_static(body.as_bytes()),
    };
    refusal(asked, &received)
}

struct Recorded {
    case: &'static str,
    asked: Asked,
    status: u16,
    body: &'static str,
    means: &'static str,
}

#[rustfmt::skip]
const RECORDED: &[Recorded] = &[
    Recorded {
        case: "a failed test, a missing list, a wrong place, a malformed patch",
        asked: Asked::GuardedPatch, status: 422, means: "LostRace",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server rejected our request due to an error in our request","reason":"Invalid","details":{},"code":422}"#,
    },
    Recorded {
        case: "the same words for what is no guarded patch",
        asked: Asked::Other, status: 422, means: "RefusedByPolicy",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server rejected our request due to an error in our request","reason":"Invalid","details":{},"code":422}"#,
    },
    Recorded {
        case: "a validating policy refuses a patch",
        asked: Asked::GuardedPatch, status: 422, means: "RefusedByPolicy",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"serviceaccounts \"default\" is forbidden: ValidatingAdmissionPolicy 'guard' with binding 'guard' denied request: not here","reason":"Invalid","details":{"name":"default","kind":"serviceaccounts","causes":[{"message":"ValidatingAdmissionPolicy 'guard' with binding 'guard' denied request: not here"}]},"code":422}"#,
    },
    Recorded {
        case: "a validating policy with reason Forbidden",
        asked: Asked::GuardedPatch, status: 403, means: "RefusedByPolicy",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"serviceaccounts \"default\" is forbidden: ValidatingAdmissionPolicy 'guard' with binding 'guard' denied request: not here either","reason":"Forbidden","details":{"name":"default","kind":"serviceaccounts","causes":[{"message":"ValidatingAdmissionPolicy 'guard' with binding 'guard' denied request: not here either"}]},"code":403}"#,
    },
    Recorded {
        case: "a policy whose message speaks of quotas",
        asked: Asked::Other, status: 403, means: "RefusedByPolicy",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"secrets \"acr-credential-secret-aggregation\" is forbidden: ValidatingAdmissionPolicy 'cost' with binding 'cost' denied request: you cannot: exceeded quota of secrets","reason":"Forbidden","details":{"name":"acr-credential-secret-aggregation","kind":"secrets"},"code":403}"#,
    },
    Recorded {
        case: "a webhook denies without a code of its own",
        asked: Asked::GuardedPatch, status: 400, means: "RefusedByPolicy",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"admission webhook \"deny.example.com\" denied the request: no","code":400}"#,
    },
    Recorded {
        case: "the type of a Secret cannot change",
        asked: Asked::Other, status: 422, means: "RefusedByPolicy",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Secret \"acr-credential-secret-aggregation\" is invalid: type: Invalid value: \"kubernetes.io/dockerconfigjson\": field is immutable","reason":"Invalid","details":{"name":"acr-credential-secret-aggregation","kind":"Secret","causes":[{"reason":"FieldValueInvalid","message":"Invalid value: \"kubernetes.io/dockerconfigjson\": field is immutable","field":"type"}]},"code":422}"#,
    },
    Recorded {
        case: "a Secret of more than 1 MiB",
        asked: Asked::Other, status: 422, means: "RefusedByPolicy",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Secret \"acr-credential-secret-aggregation\" is invalid: data: Too long: may not be more than 1048576 bytes","reason":"Invalid","details":{"name":"acr-credential-secret-aggregation","kind":"Secret","causes":[{"reason":"FieldValueTooLong","message":"Too long: may not be more than 1048576 bytes","field":"data"}]},"code":422}"#,
    },
    Recorded { case: "a request of more than 3 MiB", asked: Asked::Other, status: 413, means: "RefusedByPolicy", body: "" },
    Recorded {
        case: "RBAC",
        asked: Asked::Other, status: 403, means: "NoRight",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"secrets \"other\" is forbidden: User \"system:serviceaccount:kube-system:aliyun-acr-credential-helper\" cannot get resource \"secrets\" in API group \"\" in the namespace \"team\"","reason":"Forbidden","details":{"name":"other","kind":"secrets"},"code":403}"#,
    },
    Recorded {
        case: "an expired or foreign token",
        asked: Asked::Other, status: 401, means: "NoRight",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#,
    },
    Recorded {
        case: "a quota is used up",
        asked: Asked::Other, status: 403, means: "Quota",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"secrets \"acr-credential-secret-aggregation\" is forbidden: exceeded quota: q2, requested: secrets=1, used: secrets=0, limited: secrets=0","reason":"Forbidden","details":{"name":"acr-credential-secret-aggregation","kind":"secrets"},"code":403}"#,
    },
    Recorded {
        case: "two creations race for a quota",
        asked: Asked::Other, status: 409, means: "Throttled",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Operation cannot be fulfilled on resourcequotas \"q2\": the object has been modified; please apply your changes to the latest version and try again","reason":"Conflict","details":{"name":"q2","kind":"resourcequotas"},"code":409}"#,
    },
    Recorded {
        case: "the namespace is being deleted",
        asked: Asked::Other, status: 403, means: "Terminating",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"secrets \"acr-credential-secret-aggregation\" is forbidden: unable to create new content in namespace dying because it is being terminated","reason":"Forbidden","details":{"name":"acr-credential-secret-aggregation","kind":"secrets","causes":[{"reason":"NamespaceTerminating","message":"namespace dying is being terminated","field":"metadata.namespace"}]},"code":403}"#,
    },
    Recorded {
        case: "the ServiceAccount is gone",
        asked: Asked::GuardedPatch, status: 404, means: "Gone",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"serviceaccounts \"none\" not found","reason":"NotFound","details":{"name":"none","kind":"serviceaccounts"},"code":404}"#,
    },
    Recorded {
        case: "the namespace is gone",
        asked: Asked::Other, status: 404, means: "Gone",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"namespaces \"nons\" not found","reason":"NotFound","details":{"name":"nons","kind":"namespaces"},"code":404}"#,
    },
    Recorded {
        case: "a stale version",
        asked: Asked::Other, status: 409, means: "LostRace",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Operation cannot be fulfilled on secrets \"acr-credential-secret-aggregation\": the object has been modified; please apply your changes to the latest version and try again","reason":"Conflict","details":{"name":"acr-credential-secret-aggregation","kind":"secrets"},"code":409}"#,
    },
    Recorded {
        case: "created only if absent, and a foreign one is there",
        asked: Asked::Other, status: 409, means: "LostRace",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Apply failed with 1 conflict: conflict with \"kubectl-create\" using v1: .data..dockerconfigjson","reason":"Conflict","details":{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kubectl-create\" using v1","field":".data..dockerconfigjson"}]},"code":409}"#,
    },
    Recorded {
        case: "the observed one was deleted meanwhile",
        asked: Asked::Other, status: 409, means: "LostRace",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Operation cannot be fulfilled on secrets \"acr-credential-secret-aggregation\": uid mismatch: the provided object specified uid 11111111-1111-1111-1111-111111111111, and no existing object was found","reason":"Conflict","details":{"name":"acr-credential-secret-aggregation","kind":"secrets"},"code":409}"#,
    },
    Recorded {
        case: "the observed version with another uid",
        asked: Asked::Other, status: 422, means: "LostRace",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Secret \"acr-credential-secret-aggregation\" is invalid: metadata.uid: Invalid value: \"11111111-1111-1111-1111-111111111111\": field is immutable","reason":"Invalid","details":{"name":"acr-credential-secret-aggregation","kind":"Secret","causes":[{"reason":"FieldValueInvalid","message":"Invalid value: \"11111111-1111-1111-1111-111111111111\": field is immutable","field":"metadata.uid"}]},"code":422}"#,
    },
    Recorded {
        case: "a precondition of a deletion",
        asked: Asked::Other, status: 409, means: "LostRace",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Operation cannot be fulfilled on Secret \"acr-credential-secret-aggregation\": the ResourceVersion in the precondition (5) does not match the ResourceVersion in record (247). The object might have been modified","reason":"Conflict","details":{"name":"acr-credential-secret-aggregation","kind":"Secret"},"code":409}"#,
    },
    Recorded {
        case: "a Lease that was to be created exists",
        asked: Asked::Put, status: 422, means: "LostRace",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"leases.coordination.k8s.io \"acr-credential-helper\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update","reason":"Invalid","details":{"name":"acr-credential-helper","group":"coordination.k8s.io","kind":"leases","causes":[{"reason":"FieldValueInvalid","message":"Invalid value: 0: must be specified for an update","field":"metadata.resourceVersion"}]},"code":422}"#,
    },
    Recorded {
        case: "a Lease that was to be replaced is gone, or another one",
        asked: Asked::Put, status: 409, means: "LostRace",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Operation cannot be fulfilled on leases.coordination.k8s.io \"acr-credential-helper\": StorageError: invalid object, Code: 4, Key: /registry/leases/kube-system/acr-credential-helper, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: 11111111-1111-1111-1111-111111111111, UID in object meta: ","reason":"Conflict","details":{"name":"acr-credential-helper","group":"coordination.k8s.io","kind":"leases"},"code":409}"#,
    },
    Recorded {
        case: "a token of too short a life",
        asked: Asked::Other, status: 422, means: "RefusedByPolicy",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes","reason":"Invalid","details":{"group":"authentication.k8s.io","kind":"TokenRequest","causes":[{"reason":"FieldValueInvalid","message":"Invalid value: 60: may not specify a duration less than 10 minutes","field":"spec.expirationSeconds"}]},"code":422}"#,
    },
    Recorded {
        case: "a webhook that must answer is down",
        asked: Asked::Other, status: 500, means: "Unknown",
        body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Internal error occurred: failed calling webhook \"deny.example.com\": failed to call webhook: Post \"https://127.0.0.1:9/x?timeout=2s\": dial tcp 127.0.0.1:9: connect: connection refused","reason":"InternalError","details":{"causes":[{"message":"failed calling webhook \"deny.example.com\": failed to call webhook: Post \"https://127.0.0.1:9/x?timeout=2s\": dial tcp 127.0.0.1:9: connect: connection refused"}]},"code":500}"#,
    },
    Recorded { case: "a load balancer without a server behind it", asked: Asked::Put, status: 503, means: "Unknown", body: "<html>no healthy upstream</html>" },
    Recorded { case: "a redirection", asked: Asked::Other, status: 302, means: "Unknown", body: "" },
    Recorded { case: "priority and fairness", asked: Asked::Other, status: 429, means: "Throttled", body: "Too many requests, please try again later.\n" },
];

#[test]
fn every_recorded_answer_has_its_meaning() {
    for Recorded { case, asked, status, body, means } in RECORDED {
        assert_eq!(refused(*asked, *status, body).label(), *means, "{case}");
    }
}

#[test]
fn every_row_of_the_table_is_reached_by_an_answer() {
    let unreached: Vec<u16> = RULES
        .iter()
        .enumerate()
        .filter(|(place, rule)| {
            let first = |recorded: &Recorded| {
                let body = serde_json::from_str::<Status>(recorded.body).ok();
                RULES.iter().position(|rule| {
                    rule.status == recorded.status
                        && rule.asked.is_none_or(|only| only == recorded.asked)
                        && rule.sign.is_shown_by(body.as_ref())
                })
            };
            // Answers that a well-formed request never gets.
            let by_status = matches!(rule.status, 405 | 406 | 415);
            let worded_alike = matches!(rule.sign, Sign::Message("failed quota" | "denied the request"));
            !by_status && !worded_alike && !RECORDED.iter().any(|recorded| first(recorded) == Some(*place))
        })
        .map(|(_, rule)| rule.status)
        .collect();
    assert_eq!(unreached, Vec::<u16>::new());
}

#[test]
fn a_pause_is_taken_from_the_header_and_else_from_the_body() {
    let mut received = Received {
        status: StatusCode::TOO_MANY_REQUESTS,
        retry_after: None,
        body: Bytes::from_static(
            br#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"storage is (re)initializing","reason":"TooManyRequests","details":{"retryAfterSeconds":1},"code":429}"#,
        ),
    };
    let throttled = |seconds| Refusal::Throttled { retry_after: Some(Duration::from_secs(seconds)) };
    assert_eq!(refusal(Asked::Other, &received), throttled(1));
    received.retry_after = Some(Duration::from_secs(7));
    assert_eq!(refusal(Asked::Other, &received), throttled(7));
}

#[test]
fn a_body_that_is_no_status_is_never_quoted() {
    for status in [400, 401, 403, 422, 502] {
        let refusal = refused(Asked::Other, status, r#"{"error":"you sent MARKER"}"#);
        assert!(!format!("{refusal:?}").contains("MARKER"), "{refusal:?}");
    }
}

#[test]
fn an_empty_422_to_a_guarded_patch_is_not_taken_for_a_lost_race() {
    assert_eq!(refused(Asked::GuardedPatch, 422, "").label(), "RefusedByPolicy");
}

#[test]
fn a_message_stays_on_its_line() {
    let Refusal::RefusedByPolicy { message } =
        refused(Asked::Other, 422, r#"{"message":"no\nERROR forged\u001b[31m","code":422}"#)
    else {
        panic!()
    };
    assert_eq!(message, "no ERROR forged [31m");
}

#[test]
fn a_message_of_any_length_is_cut() {
    let long = format!(r#"{{"message":"{}","code":422}}"#, "é".repeat(100_000));
    let received =
        Received { status: StatusCode::UNPROCESSABLE_ENTITY, retry_after: None, body: long.into() };
    let Refusal::RefusedByPolicy { message } = refusal(Asked::Other, &received) else { panic!() };
    assert_eq!(message.chars().count(), 1024);
}
