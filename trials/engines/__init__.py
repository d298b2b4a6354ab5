"""Real engines that trials start on this machine."""
