"""What SQL cannot say about journeys: map rendering, attribution, lifetime value, sentiment, funnels, interventions."""
