//! What is told of real output of libtest: of `cargo test --no-fail-fast` with a library and three test binaries, of
//! which one kills itself, and one fails with a long log.

use super::*;

const SEVERAL: &str = include_str!("several.txt");

fn failure(output: &str) -> Failure {
    Failure {
        title: "acr-x".to_owned(),
        end: "ended with exit status: 101".to_owned(),
        output: output.to_owned(),
    }
}

/// The output of one binary of [`SEVERAL`], as it is when the binary is run by itself.
fn one(name: &str) -> String {
    let after = SEVERAL.split("     Running ").find(|part| part.contains(name)).unwrap();
    let (_, output) = after.split_once('\n').unwrap();
    output.split("error: test failed").next().unwrap().to_owned()
}

fn all_words(failures: &[Failure]) -> String {
    words(failures, Path::new("unit.log"), &mut ALL_LINES.clone()).join("\n")
}

#[test]
fn a_binary_that_passed_has_nothing_to_tell() {
    assert_eq!(failed_tests(&one("passing.rs")), []);
    assert_eq!(unexplained(&one("passing.rs"), false), None);
}

#[test]
fn every_failed_test_of_several_binaries_is_named_with_its_place_and_its_reason() {
    insta::assert_snapshot!(names(&[failure(SEVERAL)]).join("\n"), @r#"
    acr-x: tests::is_given_up, Error: "no such number"
    acr-x: tests::should_fail, note: test did not panic as expected at src/lib.rs:15:8
    acr-x: tests::subtracts, src/lib.rs:9:9: assertion `left == right` failed: after the subtraction
    acr-x: tells_its_log, tests/wordy.rs:12:11: called `Option::unwrap()` on a `None` value
    acr-x ended with exit status: 101
    "#);
}

#[test]
fn a_failed_test_shows_what_it_wrote_without_its_backtrace() {
    insta::assert_snapshot!(all_words(&[failure(&one("src/lib.rs"))]), @r#"
    ---- acr-x: tests::is_given_up
    Error: "no such number"

    ---- acr-x: tests::should_fail
    note: test did not panic as expected at src/lib.rs:15:8

    ---- acr-x: tests::subtracts
    taking away

    thread 'tests::subtracts' (21186) panicked at src/lib.rs:9:9:
    assertion `left == right` failed: after the subtraction
      left: 2
     right: 1
    "#);
}

#[test]
fn a_long_output_is_cut_in_its_middle() {
    let text = all_words(&[failure(&one("wordy.rs"))]);
    assert_eq!(text.lines().count(), 1 + TEST_LINES + 1, "{text}");
    insta::assert_snapshot!(text.lines().take(6).collect::<Vec<_>>().join("\n"), @r"
    ---- acr-x: tells_its_log
    begun

    thread 'tells_its_log' (21197) panicked at tests/wordy.rs:12:11:
    called `Option::unwrap()` on a `None` value
    line 1 of the log
    ");
    assert!(text.ends_with("line 100 of the log\n"), "{text}");
}

#[test]
fn a_panic_after_a_long_log_is_shown_once() {
    let mut captured: Vec<String> = (1..=100).map(|number| format!("line {number}")).collect();
    let panic = ["thread 'x' (1) panicked at a.rs:1:2:", "no"];
    captured.extend(panic.map(str::to_owned));
    let captured = captured.iter().map(String::as_str).collect();
    let shown = Test { name: "x", captured }.excerpt();
    assert_eq!(shown.iter().filter(|line| line.contains("panicked at")).count(), 1);
    assert!(shown.len() <= TEST_LINES + 1, "{shown:?}");
}

#[test]
fn a_binary_that_was_killed_is_named_with_how_it_ended_and_its_last_words() {
    let killed = Failure { end: "ended with signal: 9 (SIGKILL)".to_owned(), ..failure(&one("killed.rs")) };
    insta::assert_snapshot!(names(std::slice::from_ref(&killed)).join("\n"), @"acr-x ended with signal: 9 (SIGKILL)");
    insta::assert_snapshot!(all_words(&[killed]), @r"
    ---- acr-x ended with signal: 9 (SIGKILL); its last words:
    running 3 tests
    test a_passes ... ok
    ");
}

#[test]
fn a_test_that_failed_before_its_binary_was_killed_is_named_too() {
    let output = "running 2 tests\ntest early ... FAILED\ntest late ... ";
    let killed = Failure { end: "ended with signal: 9 (SIGKILL)".to_owned(), ..failure(output) };
    insta::assert_snapshot!(names(&[killed]).join("\n"), @r"
    acr-x: early, its output is lost
    acr-x ended with signal: 9 (SIGKILL)
    ");
}

#[test]
fn what_failed_without_any_test_shows_its_end() {
    let output = "running 0 tests\n\ntest result: ok. 0 passed\n\nerror: could not compile `x`\n";
    assert!(all_words(&[failure(output)]).contains("could not compile `x`"));
}

#[test]
fn what_a_test_prints_is_not_taken_for_the_frame_of_the_output() {
    let output = "running 2 tests\ntest one ... FAILED\ntest two ... ok\n\nfailures:\n\n---- one stdout ----\n\
                  failures:\n    two\n---- two stdout ----\n---- one stdout ----\nend\n\nfailures:\n    one\n\n\
                  test result: FAILED. 1 passed; 1 failed\n";
    let tests = failed_tests(output);
    assert_eq!(tests.len(), 1, "{tests:?}");
    let printed = ["failures:", "    two", "---- two stdout ----", "---- one stdout ----", "end"];
    assert_eq!((tests[0].name, tests[0].captured.as_slice()), ("one", &printed[..]));
}

#[test]
fn very_many_failures_are_all_named_and_the_room_is_kept() {
    let many: Vec<Failure> = (0..20).map(|_| failure(&one("wordy.rs"))).collect();
    let mut room = ALL_LINES;
    let lines = words(&many, Path::new("unit.log"), &mut room);
    assert_eq!(names(&many).len(), 20);
    assert!(lines.len() <= ALL_LINES + 1, "{}", lines.len());
    assert!(room < ALL_LINES / 4, "{room}");
    assert_eq!(lines.last().unwrap(), "What 14 more have said is in unit.log");
}

#[test]
fn a_line_that_is_a_whole_document_is_clipped() {
    let output = one("src/lib.rs").replace("taking away", &"ä".repeat(10_000));
    assert!(all_words(&[failure(&output)]).lines().all(|line| line.chars().count() <= COLUMNS + 6));
}
