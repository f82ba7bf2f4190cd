from hypothesis import HealthCheck, settings

# A shared machine may pause at any moment; a property is about the result, not about its time.
settings.register_profile("merchantry", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("merchantry")
