//! What a review takes in memory beside its own bytes, whatever it holds.

use std::fs;

const LARGEST: usize = 7 << 20;
/// Twice a review, for strings with escapes: they are copied, and what they are copied into doubles as it grows.
const MOST_KIB: u64 = 24 << 10;

/// The most that this process took.
fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// A review of the largest size: `pattern` again and again, between the two.
fn review(before: &str, pattern: &str, after: &str) -> Vec<u8> {
    let head = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","operation":"CREATE","resource":{"version":"v1","resource":"pods"},"#;
    let times = (LARGEST - head.len() - before.len() - after.len()) / pattern.len();
    [head, before, &pattern.repeat(times), after].concat().into_bytes()
}

#[test]
fn no_review_takes_much_more_memory_than_it_has_bytes() {
    let nested = "]".repeat(LARGEST / 4);
    let reviews = [
        ("an unknown list of numbers", review(r#""x":["#, "1,", "1]}}")),
        ("an unknown list of objects", review(r#""x":["#, r#"{"a":[]},"#, "1]}}")),
        ("many unknown fields", review("", r#""x":1,"#, r#""x":1}}"#)),
        ("a list of references", review(r#""object":{"imagePullSecrets":["#, "{},", "{}]}}}")),
        ("references with names", review(r#""object":{"imagePullSecrets":["#, r#"{"name":"a"},"#, "{}]}}}")),
        (
            "a list of references of a pod",
            review(r#""object":{"spec":{"imagePullSecrets":["#, "{},", "{}]}}}}"),
        ),
        ("a long name", review(r#""object":{"spec":{"serviceAccountName":""#, "a", r#""}}}}"#)),
        ("a long name of escapes", review(r#""object":{"spec":{"serviceAccountName":""#, "\\n", r#""}}}}"#)),
        ("a long subresource of escapes", review(r#""subResource":""#, "\\na", r#""}}"#)),
        ("a string for an object", review(r#""object":""#, "\u{7f}", r#""}}"#)),
        ("a string for a resource", review(r#""resource":""#, "\u{7f}", r#""}}"#)),
        ("a string for a specification", review(r#""object":{"spec":""#, "\u{7f}", r#""}}}"#)),
        ("a string for a list", review(r#""object":{"imagePullSecrets":""#, "\u{7f}", r#""}}}"#)),
        ("a string for a reference", review(r#""object":{"imagePullSecrets":[""#, "\u{7f}", r#""]}}}"#)),
        ("a string for a request", format!(r#"{{"request":"{}"}}"#, "\u{7f}".repeat(LARGEST)).into_bytes()),
        ("a string", format!("\"{}\"", "\u{7f}".repeat(LARGEST)).into_bytes()),
        ("a long number", review(r#""object":"#, "1", "}}")),
        ("lists in lists", [review(r#""x":"#, "[", "").as_slice(), nested.as_bytes()].concat()),
    ];
    for (what, review) in reviews {
        // From here on the peak is counted anew.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = peak_kib().unwrap();
        let answer = acr_server::answer(&review);
        let more = peak_kib().unwrap() - before;
        assert!(more <= MOST_KIB, "{what} of {} KiB: {more} KiB", review.len() >> 10);
        // It is allowed or refused, in a few words.
        assert!(answer.unwrap_or_default().len() < 1 << 10, "{what}");
    }
}
