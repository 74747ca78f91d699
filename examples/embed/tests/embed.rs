//! The example does what it says.

use std::process::Command;

#[test]
fn the_example_takes_a_change_to_its_signed_statement() {
    let output = Command::new(env!("CARGO_BIN_EXE_embed")).output().expect("the example runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("command.1            Passed: exit code 0"), "{said}");
    assert!(said.contains("Succeeded: https://slsa.dev/provenance/v1"), "{said}");
}
