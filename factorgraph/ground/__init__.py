"""Where both columns meet: Model and instances to graphs."""
