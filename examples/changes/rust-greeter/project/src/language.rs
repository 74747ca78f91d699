//! The languages there are.

use std::str::FromStr;

/// A language to greet in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// French.
    French,
    /// German.
    German,
}

impl Language {
    pub(crate) const fn hello(self) -> &'static str {
        match self {
            Self::English => "Hello",
            Self::French => "Bonjour",
            Self::German => "Hallo",
        }
    }

    pub(crate) const fn world(self) -> &'static str {
        match self {
            Self::English => "world",
            Self::French => "tout le monde",
            Self::German => "Welt",
        }
    }

    pub(crate) const fn and(self) -> &'static str {
        match self {
            Self::English => "and",
            Self::French => "et",
            Self::German => "und",
        }
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        match code {
            "en" => Ok(Self::English),
            "fr" => Ok(Self::French),
            "de" => Ok(Self::German),
            _ => Err(format!("no language has the code '{code}'")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_name_languages() {
        assert_eq!("fr".parse(), Ok(Language::French));
    }

    #[test]
    fn an_unknown_code_is_told() {
        let error = "xx".parse::<Language>().unwrap_err();
        assert_eq!(error, "no language has the code 'xx'");
    }
}
