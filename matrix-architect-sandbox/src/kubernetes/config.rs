//! What an operator decides about sessions in a cluster.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use matrix_architect_core::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Configuration of [`KubernetesSandbox`](super::KubernetesSandbox).
///
/// ```
/// use matrix_architect_sandbox::kubernetes::KubernetesConfig;
///
/// let digest = "a".repeat(64);
/// let config = KubernetesConfig::new(format!("registry.example/builder@sha256:{digest}"));
/// assert!(config.validate().is_ok());
/// assert!(KubernetesConfig::new("registry.example/builder:latest").validate().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KubernetesConfig {
    /// The image of every session, by digest. It has `sh`, `tar`, `find`, `xargs` and `dd` beside
    /// what the commands need.
    pub image: String,
    /// The namespace of the sessions; it exists. Default: `architect`.
    #[serde(default = "namespace")]
    pub namespace: String,
    /// How to reach the cluster. Default: from inside, as the service account of our own Pod.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// Which context of the kubeconfig. Default: its current one.
    #[serde(default)]
    pub context: Option<String>,
    /// The runtime class of the Pods, such as `gvisor`. Default: the cluster's.
    #[serde(default)]
    pub runtime_class: Option<String>,
    /// The names of the Secrets with which the image is pulled. Default: none.
    #[serde(default)]
    pub pull_secrets: Vec<String>,
    /// Labels of the nodes that may run sessions. Default: any node.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// As which user commands run. Default: one drawn for each session, so that the kernel counts
    /// the processes of each session alone.
    #[serde(default)]
    pub user: Option<u32>,
    /// Whether Pods get a user namespace of their own. Default: yes; clusters before 1.33 and
    /// nodes before Linux 6.3 do not have it.
    #[serde(default = "yes")]
    pub user_namespace: bool,
    /// CPUs of a session whose limits name none, in thousandths. Default: 2000.
    #[serde(default = "cpu_millis")]
    pub cpu_millis: u32,
    /// `PATH` of the commands. Default: the image's.
    #[serde(default)]
    pub path: Option<String>,
    /// Environment that the image's programs need, such as `RUSTUP_HOME`. Default: none.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How long a Pod may take to run, image pull included. Default: five minutes.
    #[serde(default = "start")]
    pub start: Duration,
    /// How long a Pod may be unschedulable, so that an autoscaler can act. Default: one minute.
    #[serde(default = "schedule")]
    pub schedule: Duration,
    /// After which time the cluster ends a session whatever happens. Default: six hours.
    #[serde(default = "lifetime")]
    pub lifetime: Duration,
    /// How often a session's owner says that it is there. A session that was silent for three
    /// beats is an orphan. Default: ten seconds.
    #[serde(default = "beat")]
    pub beat: Duration,
}

fn namespace() -> String {
    "architect".to_owned()
}

const fn yes() -> bool {
    true
}

const fn cpu_millis() -> u32 {
    2000
}

const fn start() -> Duration {
    Duration::from_mins(5)
}

const fn schedule() -> Duration {
    Duration::from_mins(1)
}

const fn lifetime() -> Duration {
    Duration::from_hours(6)
}

const fn beat() -> Duration {
    Duration::from_secs(10)
}

/// The last user of a Pod's user namespace, unless its kubelet was told to map more.
const LAST_MAPPED: u32 = 65_535;

impl KubernetesConfig {
    /// The defaults, with this image.
    pub fn new(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            namespace: namespace(),
            kubeconfig: None,
            context: None,
            runtime_class: None,
            pull_secrets: Vec::new(),
            node_selector: BTreeMap::new(),
            user: None,
            user_namespace: yes(),
            cpu_millis: cpu_millis(),
            path: None,
            env: BTreeMap::new(),
            start: start(),
            schedule: schedule(),
            lifetime: lifetime(),
            beat: beat(),
        }
    }

    /// Checks what can be checked without a cluster.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        let digest = self.image.split_once("@sha256:").map_or("", |(_, digest)| digest);
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong("image", &self.image)
                .advice("name the image by digest, as in name@sha256:<64 hexadecimal digits>"));
        }
        if !is_label(&self.namespace) {
            return Err(wrong("namespace", &self.namespace)
                .advice("use up to 63 lower-case letters, digits and '-'"));
        }
        if self.user == Some(0) {
            return Err(wrong("user", "0").advice("sessions do not run as root"));
        }
        if let Some(user) = self.user.filter(|user| self.user_namespace && *user > LAST_MAPPED) {
            return Err(wrong("user", &user.to_string()).advice(
                "a user namespace of Kubernetes has the users 0 to 65535; take one of them, or set \
                 `user_namespace` to false",
            ));
        }
        if self.cpu_millis == 0 {
            return Err(wrong("cpu_millis", "0").advice("give sessions at least 1"));
        }
        if self.beat.is_zero() {
            return Err(wrong("beat", "0").advice("give it some seconds"));
        }
        Ok(())
    }
}

/// Whether a text is a label of RFC 1123.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn wrong(field: &str, value: &str) -> Error {
    Error::invalid("a setting of the Kubernetes sandbox is wrong")
        .context("field", field)
        .context("value", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_no_user_namespace_has_is_refused() {
        let mut config = KubernetesConfig::new(format!("i@sha256:{}", "0".repeat(64)));
        config.user = Some(65_535);
        config.validate().unwrap();
        config.user = Some(65_536);
        assert!(config.validate().unwrap_err().advice_str().unwrap().contains("user_namespace"));
        config.user_namespace = false;
        config.validate().unwrap();
    }
}
