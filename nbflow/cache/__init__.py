"""Where results are kept between invocations: `nbflow.cache.memory`."""
