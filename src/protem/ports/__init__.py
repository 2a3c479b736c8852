"""Small protocols through which services reach the world."""
