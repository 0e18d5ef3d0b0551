"""What ``tinv-tui doctor`` checks, a module for each subject."""
