//! Every backend runs every suite of the traits it implements.
#![cfg(all(feature = "memory", feature = "sqlite"))]

mod common;

mod memory {
    mod store {
        use crate::common::memory::Harness;
        matrix_architect_core::store_suite!(Harness::fresh());
    }
    mod operator {
        use crate::common::memory::Harness;
        matrix_architect_core::operator_suite!(Harness::fresh());
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
}
