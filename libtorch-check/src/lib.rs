//! Empty. Every crate depends on it because its build script checks that libtorch is there.
