"""What each kind of agency holds of the population, in frequencies like England's."""
