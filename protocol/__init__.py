"""The contract between all parts of CityReflex."""
