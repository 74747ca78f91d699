//! Every deployer and publisher keeps the promises of its trait.

mod systemd_local {
    matrix_architect_core::deployer_suite!(crate::service::Folder::new());
}

mod none {
    use std::{collections::BTreeMap, sync::Arc};

    use async_trait::async_trait;
    use bytes::Bytes;
    use matrix_architect_core::{
        conformance::deployer::{Sample, Target},
        fake::FixedClock,
        id::Digest,
        release::{DeploymentConfig, DeploymentTarget},
        traits::Deployer,
    };
    use matrix_architect_deploy::none::NoneDeployer;
    use serde_json::json;

    /// Nowhere.
    #[derive(Debug)]
    struct Nowhere;

    #[async_trait]
    impl Target for Nowhere {
        fn deployer(&self) -> Arc<dyn Deployer> {
            Arc::new(NoneDeployer::new(Arc::new(FixedClock::new())))
        }

        fn config(&self, environment: &str) -> DeploymentConfig {
            let (target, environment) = (DeploymentTarget::None, environment.to_owned());
            DeploymentConfig { target, environment, namespace: None, config: BTreeMap::new() }
        }

        fn broken_config(&self) -> (DeploymentConfig, &'static str) {
            let mut config = self.config("staging");
            config.config.insert("root".to_owned(), json!("/srv"));
            (config, "root")
        }

        fn bundle(&self, label: &str, _sample: Sample) -> Bytes {
            Bytes::copy_from_slice(label.as_bytes())
        }

        async fn serving(&self, _environment: &str) -> Option<String> {
            None
        }

        async fn fingerprint(&self) -> Digest {
            Digest::of("nothing")
        }
    }

    matrix_architect_core::deployer_suite!(Nowhere);
}

mod publish_directory {
    matrix_architect_core::publisher_suite!(crate::publishing::Shelf::new());
}

mod publish_git {
    matrix_architect_core::publisher_suite!(crate::publishing::Repository::new());
}
