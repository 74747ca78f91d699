//! What a test decides about its cluster.

use serde_json::Value;

/// What a plugin of the cluster does to a Pod before it is checked.
pub type Admission = fn(&mut Value);

/// What a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// All.
    All,
    /// All but these verbs on these resources, as in `("create", "pods/exec")`.
    AllBut(Vec<(String, String)>),
}

/// Configuration of a [`Cluster`](crate::Cluster).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The images that can be pulled. What is in them is this machine's `/usr`.
    pub images: Vec<String>,
    /// The tokens, by the name of their user, and what they may do.
    pub users: Vec<(String, Rights)>,
    /// What may be done without a token: `kubectl` sends none where there is no TLS. Default:
    /// nothing.
    pub anonymous: Option<Rights>,
    /// Changes Pods as they are made.
    pub admission: Option<Admission>,
    /// Bytes of memory of the one node; Pods that want more are not scheduled. Default: 64 GiB.
    pub memory: u64,
    /// Pods of a namespace at most, by quota. Default: no quota.
    pub quota: Option<usize>,
    /// How many changes a watch can go back. Default: 1000.
    pub history: usize,
    /// After how many events a watch is ended, as a proxy between may. Default: never.
    pub watch_events: Option<usize>,
    /// Which websocket protocols exec and attach speak. Default: both there are.
    pub protocols: Vec<&'static str>,
    /// Whether the node holds memory limits by cgroups. Default: where it can make some.
    pub cgroups: bool,
}

impl Options {
    /// A cluster of one administrator, from whose registry these images come.
    pub fn new(images: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            images: images.into_iter().map(Into::into).collect(),
            users: vec![("admin".to_owned(), Rights::All)],
            anonymous: None,
            admission: None,
            memory: 64 << 30,
            quota: None,
            history: 1000,
            watch_events: None,
            protocols: vec!["v5.channel.k8s.io", "v4.channel.k8s.io"],
            cgroups: true,
        }
    }
}
