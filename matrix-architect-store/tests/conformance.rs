//! Every backend runs every suite of the traits it implements.

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
