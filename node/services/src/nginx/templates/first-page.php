<?php
header('Content-Type: text/html; charset=utf-8');
$site = htmlspecialchars($_SERVER['SERVER_NAME'] ?? 'this site', ENT_QUOTES);
?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title><?= $site ?></title>
</head>
<body>
<h1><?= $site ?></h1>
<p>This site is ready. Its owner can replace this page.</p>
</body>
</html>
