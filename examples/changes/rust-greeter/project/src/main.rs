//! `greeter [--lang CODE] [NAME...]`

use greeter::{greet_all, Language};

fn main() -> Result<(), String> {
    let mut language = Language::default();
    let mut names = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--lang" {
            language = arguments.next().ok_or("--lang needs a code")?.parse()?;
        } else {
            names.push(argument);
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    println!("{}", greet_all(&names, language));
    Ok(())
}
