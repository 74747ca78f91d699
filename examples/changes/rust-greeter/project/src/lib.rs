//! Greets people in their language.

mod language;

pub use language::Language;

/// Greets somebody; the world if nobody is named.
///
/// ```
/// use greeter::{greet, Language};
///
/// assert_eq!(greet("Ada", Language::English), "Hello, Ada!");
/// ```
pub fn greet(name: &str, language: Language) -> String {
    let name = match name.trim() {
        "" => language.world(),
        name => name,
    };
    format!("{}, {name}!", language.hello())
}

/// Greets everybody in one sentence.
pub fn greet_all(names: &[&str], language: Language) -> String {
    match names {
        [] => greet("", language),
        [one] => greet(one, language),
        [first @ .., last] => {
            let first = first.join(", ");
            let and = language.and();
            greet(&format!("{first} {and} {last}"), language)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_greeted_by_name() {
        assert_eq!(greet("Ada", Language::English), "Hello, Ada!");
    }

    #[test]
    fn nobody_is_the_world() {
        assert_eq!(greet("  ", Language::English), "Hello, world!");
    }

    #[test]
    fn spaces_around_a_name_do_not_count() {
        assert_eq!(greet(" Ada ", Language::German), "Hallo, Ada!");
    }

    #[test]
    fn two_are_greeted_together() {
        assert_eq!(
            greet_all(&["Ada", "Grace"], Language::English),
            "Hello, Ada and Grace!"
        );
    }

    #[test]
    fn many_are_listed() {
        let names = ["Ada", "Grace", "Katherine"];
        assert_eq!(
            greet_all(&names, Language::French),
            "Bonjour, Ada, Grace et Katherine!"
        );
    }

    #[test]
    fn an_empty_list_is_the_world() {
        assert_eq!(greet_all(&[], Language::German), "Hallo, Welt!");
    }
}
