//! The program as its users see it.

use std::process::Command;

fn greeter(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_greeter"))
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), text)
}

#[test]
fn names_are_greeted() {
    assert_eq!(greeter(&["Ada"]), (true, "Hello, Ada!\n".to_owned()));
}

#[test]
fn the_language_is_chosen() {
    let said = greeter(&["--lang", "de", "Ada", "Grace"]);
    assert_eq!(said, (true, "Hallo, Ada und Grace!\n".to_owned()));
}

#[test]
fn an_unknown_language_is_an_error() {
    assert!(!greeter(&["--lang", "xx"]).0);
}
