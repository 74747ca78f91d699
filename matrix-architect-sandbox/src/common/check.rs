//! What a doctor says.

/// One layer or limit, and whether it holds here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The layer or limit, as it is named in reports.
    pub layer: String,
    /// Whether it holds; what is only watched holds, and `detail` says so.
    pub ok: bool,
    /// By what it holds, or why not.
    pub detail: String,
    /// What to do, empty if nothing.
    pub remedy: String,
}
