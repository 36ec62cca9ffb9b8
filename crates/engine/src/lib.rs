//! Running the rules: intake, delivery, rollback, reviews.
