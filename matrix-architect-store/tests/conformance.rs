//! Every backend runs every suite of the traits it implements.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(feature = "memory", feature = "sqlite"))]

mod common;
#[path = "common/spoiled.rs"]
mod spoiled;

mod memory {
    mod store {
        use crate::common::memory::Harness;
        matrix_architect_core::store_suite!(Harness::fresh());
    }
    mod operator {
        use crate::common::memory::Harness;
        matrix_architect_core::operator_suite!(Harness::fresh());
    }
    mod queue {
        use crate::common::memory::Harness;
        matrix_architect_core::queue_suite!(Harness::fresh());
    }
    mod records {
        use crate::common::memory::Harness;
        matrix_architect_core::records_suite!(Harness::fresh());
    }
    mod locks {
        use crate::common::memory::Harness;
        matrix_architect_core::locks_suite!(Harness::fresh());
    }
    mod logs {
        use crate::common::memory::Harness;
        matrix_architect_core::log_store_suite!(Harness::fresh());
    }
    mod artifacts {
        use crate::spoiled::ArtifactHarness;
        matrix_architect_core::artifact_store_suite!(ArtifactHarness::default());
    }
}

mod sqlite {
    mod store {
        use crate::common::sqlite::Harness;
        matrix_architect_core::store_suite!(Harness::fresh().await);
    }
    mod operator {
        use crate::common::sqlite::Harness;
        matrix_architect_core::operator_suite!(Harness::fresh().await);
    }
    mod queue {
        use crate::common::sqlite::Harness;
        matrix_architect_core::queue_suite!(Harness::fresh().await);
    }
    mod records {
        use crate::common::sqlite::Harness;
        matrix_architect_core::records_suite!(Harness::fresh().await);
    }
    mod locks {
        use crate::common::sqlite::Harness;
        matrix_architect_core::locks_suite!(Harness::fresh().await);
    }
    mod logs {
        use crate::common::sqlite::Harness;
        matrix_architect_core::log_store_suite!(Harness::fresh().await);
    }
}
