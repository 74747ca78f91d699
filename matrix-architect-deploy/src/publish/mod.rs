//! Making a change public: in a directory, or as a branch.
